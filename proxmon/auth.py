"""Passwords and tokens: how they are made, kept and checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from proxmon.credentials import TokenSecret
from proxmon.errors import SettingsError, TokenError

# A slow hash protects what can be guessed. A token has 256 random bits, so bcrypt's lowest sensible cost is enough,
# and a thousand agents that return after a restart cost seconds instead of minutes.
BCRYPT_ROUNDS = 6
LOOKUP_CHARACTERS = 16
# The PHC string format, and the lengths that programs make: a hash that was cut while it was copied has another one.
_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$(?P<salt>[A-Za-z0-9+/]{11,})\$(?P<hash>[A-Za-z0-9+/]+)"
)
HASH_BYTES = (32, 64)
Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token, for showing once; only its hash is kept."""

    name: str
    token: str = field(repr=False)


def issue_token(name: str) -> tuple[IssuedToken, TokenSecret]:
    """Make a token and what is stored of it."""
    token = secrets.token_urlsafe(32)
    hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    return IssuedToken(name, token), TokenSecret(token_lookup(token), hashed)


def token_lookup(token: str) -> str:
    """Return the part of a token's digest by which its row is found; it is too short to rebuild the token from."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()[:LOOKUP_CHARACTERS]


class TokenVault(Generic[Owner]):
    """Finds the owner of a token.

    bcrypt is asked once per token and process; after that a digest with a key of this process is compared,
    since bcrypt on each request would cost more than all else.
    """

    def __init__(self, secrets_by_owner: Iterable[tuple[Owner, TokenSecret]] = ()) -> None:
        self._key = secrets.token_bytes(32)
        self._secrets: dict[str, list[tuple[Owner, str]]] = {}
        self._lookups: dict[Owner, str] = {}
        # With the lookup it was verified for: a verification in another thread may end after its token was replaced.
        self._verified: dict[bytes, tuple[Owner, str]] = {}
        for owner, secret in secrets_by_owner:
            self.put(owner, secret)

    def put(self, owner: Owner, secret: TokenSecret) -> None:
        """Accept a token for this owner, and no other that the owner had."""
        self.remove(owner)
        self._secrets.setdefault(secret.lookup, []).append((owner, secret.hash))
        self._lookups[owner] = secret.lookup

    def remove(self, owner: Owner) -> None:
        """Refuse the owner's token from now on."""
        lookup = self._lookups.pop(owner, None)
        if lookup is None:
            return
        self._secrets[lookup] = [row for row in self._secrets[lookup] if row[0] != owner]
        if not self._secrets[lookup]:
            del self._secrets[lookup]
        for digest, known in list(self._verified.items()):
            if known[0] == owner:
                self._verified.pop(digest, None)

    def is_held(self, owner: Owner, token: str) -> bool:
        """Tell whether the token, which was the owner's, still is."""
        return self._lookups.get(owner) == token_lookup(token)

    def find_verified(self, token: str) -> Owner | None:
        """Return the owner of a token that was verified before, without any slow work; else None."""
        owner, lookup = self._verified.get(self._digest(token), (None, ""))
        return owner if owner is not None and self._lookups.get(owner) == lookup else None

    def is_candidate(self, token: str) -> bool:
        """Tell whether a slow verification can succeed at all."""
        return token_lookup(token) in self._secrets

    def verify(self, token: str) -> Owner:
        """Return the owner of a token; takes some milliseconds the first time.

        Raises:
            TokenError: nobody's token.
        """
        found = self.find_verified(token)
        if found is not None:
            return found
        lookup = token_lookup(token)
        for owner, hashed in self._secrets.get(lookup, ()):
            if bcrypt.checkpw(token.encode()[:72], hashed.encode()) and self._lookups.get(owner) == lookup:
                self._verified[self._digest(token)] = (owner, lookup)
                return owner
        raise TokenError("Send a valid token: this one is unknown, was rotated or was revoked.")

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode(errors="replace"), "sha256")


def hash_password(password: str) -> str:
    """Return the Argon2 hash of a password (RFC 9106's defaults of argon2-cffi)."""
    return PasswordHasher().hash(password)


def is_password(password_hash: str, password: str) -> bool:
    """Tell whether the password is the one that was hashed; takes some ten milliseconds."""
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def check_password_hash(password_hash: str) -> None:
    """Raise SettingsError unless the text is an Argon2 hash."""
    if not password_hash:
        raise SettingsError(
            "Set DASHBOARD_PASSWORD_HASH to the hash of a password: run `proxmon hash-password` to make one."
        )
    if not is_whole_hash(password_hash):
        raise SettingsError(
            "DASHBOARD_PASSWORD_HASH is no whole Argon2 hash: run `proxmon hash-password` and put its output in single "
            "quotes, since it contains dollar signs."
        )


def is_whole_hash(text: str) -> bool:
    """Tell whether the text is an Argon2 hash that a password can be compared with; takes some ten milliseconds."""
    found = _ARGON2.fullmatch(text)
    if found is None or len(_decoded(found["hash"])) not in HASH_BYTES:
        return False
    try:
        PasswordHasher().verify(text, "")
    except VerifyMismatchError:
        return True
    except (VerificationError, InvalidHashError):
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
