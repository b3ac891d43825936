"""Passwords and tokens: slow once, quick afterwards, and nothing to steal at rest."""

from __future__ import annotations

import bcrypt
import pytest

from proxmon.auth import TokenVault, check_password_hash, hash_password, is_password, issue_token
from proxmon.errors import SettingsError, TokenError


def test_a_token_is_shown_once_and_kept_as_a_bcrypt_hash() -> None:
    issued, secret = issue_token("pve-01")
    assert len(issued.token) == 43
    assert secret.hash.startswith("$2b$")
    assert issued.token not in repr(issued) + repr(secret) + secret.hash + secret.lookup


def test_a_token_finds_its_owner_and_is_remembered() -> None:
    issued, secret = issue_token("pve-01")
    vault = TokenVault([(7, secret)])
    assert vault.find_verified(issued.token) is None
    assert vault.verify(issued.token) == 7
    assert vault.find_verified(issued.token) == 7


@pytest.mark.parametrize("token", ["", "wrong", "ü" * 80, "\ud800", "x" * 100_000])
def test_any_other_token_is_refused(token: str) -> None:
    vault = TokenVault([(7, issue_token("pve-01")[1])])
    with pytest.raises(TokenError):
        vault.verify(token)


def test_a_new_token_ends_the_old_one_also_where_it_was_remembered() -> None:
    old, old_secret = issue_token("pve-01")
    new, new_secret = issue_token("pve-01")
    vault = TokenVault([(7, old_secret)])
    vault.verify(old.token)
    vault.put(7, new_secret)
    assert vault.verify(new.token) == 7
    with pytest.raises(TokenError):
        vault.verify(old.token)


def test_a_token_that_is_replaced_while_it_is_verified_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old, old_secret = issue_token("pve-01")
    vault = TokenVault([(7, old_secret)])
    checkpw = bcrypt.checkpw

    def replaced_meanwhile(token: bytes, hashed: bytes) -> bool:
        vault.put(7, issue_token("pve-01")[1])
        return checkpw(token, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", replaced_meanwhile)
    with pytest.raises(TokenError):
        vault.verify(old.token)
    assert vault.find_verified(old.token) is None


def test_a_token_is_held_until_it_is_replaced_or_removed() -> None:
    (old, old_secret), (new, new_secret) = issue_token("pve-01"), issue_token("pve-01")
    vault = TokenVault([(7, old_secret)])
    assert vault.is_held(7, old.token)
    vault.put(7, new_secret)
    assert not vault.is_held(7, old.token)
    assert vault.is_held(7, new.token)
    vault.remove(7)
    assert not vault.is_held(7, new.token)


def test_two_tokens_of_one_lookup_are_told_apart_by_their_hash() -> None:
    issued, secret = issue_token("a")
    _, other = issue_token("b")
    clash = type(secret)(secret.lookup, other.hash)
    vault = TokenVault([(1, clash), (2, secret)])
    assert vault.verify(issued.token) == 2


def test_a_password_is_checked_against_its_argon2_hash() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert is_password(hashed, "correct horse")
    assert not is_password(hashed, "Correct horse")
    assert not is_password("no hash", "correct horse")


@pytest.mark.parametrize(("text", "says"), [("", "hash-password"), ("secret", "single quotes")])
def test_a_hash_that_is_none_says_what_to_do(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        check_password_hash(text)


def test_a_hash_that_was_cut_or_changed_while_it_was_copied_is_refused() -> None:
    whole = hash_password("correct horse")
    check_password_hash(whole)
    broken = [whole[:length] for length in range(10, len(whole))]
    broken += [whole + "A", whole.replace("$v=19", ""), whole.replace("m=65536", "m=1"), f"'{whole}'", whole + "\n"]
    for text in broken:
        with pytest.raises(SettingsError, match="hash-password"):
            check_password_hash(text)
