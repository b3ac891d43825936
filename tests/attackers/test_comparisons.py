"""How long an answer takes says nothing about a secret: none is compared as it is, and digests in constant time."""

from __future__ import annotations

import asyncio
import hmac
from datetime import timedelta

import pytest

from proxmon.alerts.links import LinkSigner
from proxmon.auth import TokenVault, issue_token
from proxmon.errors import TokenError
from proxmon.sessions import Sessions
from proxmon.tokens import Role, TokenRegistry
from tests.builders import NOW


class Secret(str):
    """A text that nobody may compare, sort or look up."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a secret was compared as it is")

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__

    def __hash__(self) -> int:
        raise AssertionError("a secret was looked up as it is")


class NoStore:
    def list_api_tokens(self) -> list[object]:
        return []

    def list_sessions(self) -> dict[str, object]:
        return {}

    def add_session(self, key: str, expires_at: object) -> None:
        pass


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """Give what was compared in constant time."""
    pairs, compare = list[tuple[bytes, bytes]](), hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    return pairs


def test_a_host_s_token_is_neither_compared_nor_looked_up_as_it_is() -> None:
    issued, stored = issue_token("pve-01")
    vault = TokenVault([(1, stored)])
    for _ in range(2):  # by bcrypt, then by the digest
        assert vault.verify(Secret(issued.token)) == 1
    assert vault.find_verified(Secret(issued.token)) == 1
    assert vault.is_held(1, Secret(issued.token))
    with pytest.raises(TokenError):
        vault.verify(Secret(issued.token[:-1] + "!"))


def test_the_digest_that_a_verified_token_is_found_by_cannot_be_worked_out_elsewhere() -> None:
    issued, stored = issue_token("pve-01")
    vaults = [TokenVault([(1, stored)]) for _ in range(2)]
    for vault in vaults:
        vault.verify(issued.token)
    one, other = (set(vault._verified) for vault in vaults)
    assert one != other


def test_the_token_of_local_programs_is_compared_in_constant_time(compared: list[tuple[bytes, bytes]]) -> None:
    tokens = TokenRegistry(NoStore(), lambda: NOW)  # pyright: ignore[reportArgumentType] - no more is asked for
    tokens.trust("right")
    assert asyncio.run(tokens.authenticate(Secret("right"))) is Role.ADMIN
    with pytest.raises(TokenError):
        asyncio.run(tokens.authenticate(Secret("wrong")))
    assert len(compared) == 2


def test_a_link_s_signature_is_compared_in_constant_time(compared: list[tuple[bytes, bytes]]) -> None:
    signer = LinkSigner("key")
    link = signer.sign(7, NOW)
    assert signer.read(link, NOW + timedelta(hours=1)) == 7
    with pytest.raises(TokenError):
        signer.read(f"{link[:-1]}!", NOW)
    assert len(compared) == 2


def test_a_session_is_found_by_its_digest() -> None:
    sessions = Sessions(NoStore(), lambda: NOW, 1.0)  # pyright: ignore[reportArgumentType] - no more is asked for
    session_id = asyncio.run(sessions.start())
    key = sessions.find(Secret(session_id))
    assert key is not None
    assert key != session_id
    assert sessions.find(Secret(f"{session_id}!")) is None
