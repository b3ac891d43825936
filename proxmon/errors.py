"""Errors, grouped by what the caller can do about them."""

from __future__ import annotations

from collections.abc import Iterable


class ProxmonError(Exception):
    """Base of all errors that carry one sentence for the person or program that caused them."""


class UnreadableError(ProxmonError):
    """The request cannot be read at all: the sender's encoding or JSON is broken."""


class SampleError(ProxmonError):
    """A field of a message or request is wrong: the sender must change it."""


class TooLargeError(ProxmonError):
    """The message is larger than the server accepts: the sender must split it."""


class TokenError(ProxmonError):
    """The token or login is missing, wrong, rotated or revoked."""


class ForbiddenError(ProxmonError):
    """The credential is known, but its role does not allow this."""


class NotFoundError(ProxmonError):
    """The named thing does not exist."""


class ConflictError(ProxmonError):
    """The name is taken."""


class QueryError(SampleError):
    """The query is refused, is wrong, or takes too long: the analyst must change it."""


class RulesError(SampleError):
    """The owner's rules cannot be used: each of ``problems`` names a place and says what to write instead."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)

    @classmethod
    def of(cls, problems: Iterable[object]) -> RulesError:
        """Return the error of several problems."""
        found = tuple(str(problem) for problem in problems)
        return cls(f"Correct the rules: {' '.join(found)}", found)


class StoreUnavailableError(ProxmonError):
    """Samples cannot be stored now: the sender should keep them and come back."""


class ReadOnlyError(StoreUnavailableError):
    """What is shown is a copy: whoever wants to change something must do it where the copy was made."""


class SettingsError(ProxmonError):
    """A setting has a value that cannot be used: the person who started the server must change it."""


class DeliveryError(ProxmonError):
    """A message was not accepted by the service that should pass it on."""


class OverloadedError(StoreUnavailableError):
    """More samples arrive than can be stored: the sender should come back after ``retry_after_seconds``."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
