"""Hashes of tokens are kept apart from samples."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxmon.credentials import ApiToken, HostSecret, TokenSecret
from proxmon.errors import ConflictError, NotFoundError, StoreUnavailableError
from proxmon.fleet import Host
from storage import Store
from storage.credentials import _MIGRATIONS, CredentialFile
from tests.builders import NOW
from tests.storage.conftest import SECRET

OTHER = TokenSecret("other-lookup", "other-hash")


def test_a_hosts_secret_is_kept_over_a_restart(store: Store, host: Host, directory: Path) -> None:
    store.close()
    again = Store.open(directory)
    assert again.list_host_secrets() == [HostSecret(host.id, SECRET)]
    again.close()


def test_rotating_replaces_the_secret(store: Store, host: Host) -> None:
    store.rotate_host(host.id, OTHER, NOW)
    assert store.list_host_secrets() == [HostSecret(host.id, OTHER)]


def test_api_tokens_are_added_listed_and_revoked(store: Store) -> None:
    store.add_api_token("notebook", "reader", SECRET, NOW)
    assert store.list_api_tokens() == [ApiToken("notebook", "reader", SECRET, NOW)]
    store.revoke_api_token("notebook", NOW)
    assert store.list_api_tokens() == []


def test_the_name_of_an_api_token_is_taken_once(store: Store) -> None:
    store.add_api_token("notebook", "reader", SECRET, NOW)
    with pytest.raises(ConflictError, match="notebook"):
        store.add_api_token("notebook", "admin", OTHER, NOW)


def test_revoking_a_token_that_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(NotFoundError, match="notebook"):
        store.revoke_api_token("notebook", NOW)


def test_no_hash_is_in_the_file_that_analysts_read(store: Store, directory: Path) -> None:
    store.add_host("pve-01", TokenSecret("lookup-of-token", "hash-of-token"), NOW)
    store.close()
    assert b"of-token" not in (directory / "fleet.duckdb").read_bytes()
    assert b"hash-of-token" in (directory / "secrets.sqlite").read_bytes()


def test_a_hash_is_not_shown_when_a_secret_is_printed() -> None:
    assert "other-hash" not in repr(HostSecret(1, OTHER))


def test_a_secret_without_a_host_is_dropped_at_the_next_start(store: Store, host: Host, directory: Path) -> None:
    store.close()
    file = CredentialFile(directory / "secrets.sqlite")
    file.put_host_secret(host.id + 1, OTHER)
    file.close()
    again = Store.open(directory)
    assert again.list_host_secrets() == [HostSecret(host.id, SECRET)]
    again.close()


def test_tokens_of_a_newer_proxmon_are_refused(tmp_path: Path) -> None:
    file = CredentialFile(tmp_path / "secrets.sqlite")
    file._connection.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(StoreUnavailableError, match="newer proxmon"):
        CredentialFile(tmp_path / "secrets.sqlite")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets.sqlite").write_text("not a database" * 100)
    with pytest.raises(StoreUnavailableError, match=r"secrets\.sqlite"):
        CredentialFile(tmp_path / "secrets.sqlite")


def test_sessions_are_kept_until_they_are_deleted(store: Store, directory: Path) -> None:
    store.add_session("key", NOW)
    store.close()
    again = Store.open(directory)
    assert again.list_sessions() == {"key": NOW}
    again.delete_session("key")
    again.delete_session("key")
    assert again.list_sessions() == {}
    again.close()


def test_a_file_from_before_sessions_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "secrets.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(f"{_MIGRATIONS[0]} PRAGMA user_version = 1;")
    connection.close()
    file = CredentialFile(path)
    assert file.list_sessions() == {}
    file.close()
