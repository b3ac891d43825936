"""Sends a message through Apprise, which knows the services and loads nothing by itself."""

from __future__ import annotations

import logging
import re
from typing import Any, Protocol
from urllib.parse import unquote

from proxmon.alerts.messages import Message
from proxmon.alerts.model import Severity
from proxmon.errors import DeliveryError

SEND_SECONDS = 20.0
SHORTEST_SECRET = 5  # shorter pieces of an address occur in any sentence
MAX_REASON = 300


class Sender(Protocol):
    """What delivery asks of the way out; its methods block."""

    def name_service(self, url: str) -> str | None:
        """Return the service that an address belongs to, or None; nothing is sent."""
        ...

    def send(self, url: str, message: Message) -> None:
        """Send a message. Raises DeliveryError when it was not accepted in time."""


class AppriseSender:
    """Sends through Apprise. Its own log names parts of addresses, so it is kept off ours."""

    def __init__(self) -> None:
        logging.getLogger("apprise").propagate = False

    def name_service(self, url: str) -> str | None:
        """Return the service that an address belongs to, or None; nothing is sent."""
        service = _instantiate(url)
        return None if service is None else str(service.service_name)

    def send(self, url: str, message: Message) -> None:
        """Send a message. Raises DeliveryError when it was not accepted in time."""
        import apprise  # noqa: PLC0415 - a tenth of a second, and only who has a channel needs it

        service = _instantiate(url)
        if service is None:
            raise DeliveryError("Give the channel its address anew: Apprise does not read the one that it has.")
        service.overflow_mode = apprise.OverflowMode.SPLIT
        kinds = {Severity.CRITICAL: apprise.NotifyType.FAILURE, Severity.WARNING: apprise.NotifyType.WARNING}
        kind = kinds[message.severity] if message.severity else apprise.NotifyType.SUCCESS
        everything = apprise.Apprise()
        everything.add(service)
        result: Any = everything.notify(
            body=message.body,
            title=message.title,
            notify_type=kind,
            body_format=apprise.NotifyFormat.TEXT,
            timeout=SEND_SECONDS,
        )
        if not result:
            raise DeliveryError(without_secrets(_reason(result), url))


def _instantiate(url: str) -> Any:
    import apprise  # noqa: PLC0415 - as above

    return apprise.Apprise.instantiate(url)


def _reason(result: Any) -> str:
    if result.status.name == "TIMEOUT":
        return f"The service did not answer within {SEND_SECONDS:g} seconds."
    reasons = dict.fromkeys(entry.message for entry in result.logs())
    return " ".join(reasons) or "The service did not accept the message."


def without_secrets(text: str, url: str) -> str:
    """Return a sentence without the pieces of an address that may be secret: all but the service and its host."""
    _, _, rest = url.partition("://")
    place, _, tail = rest.partition("/")
    account, _, _ = place.rpartition("@")
    pieces = {piece for part in (account, tail) for piece in re.split(r"[/?&=:,]", part)}
    pieces |= {unquote(piece) for piece in pieces}
    if "@" not in place and "." not in place and ":" not in place:
        pieces.add(place)  # the first token of an address without a host
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= SHORTEST_SECRET:
            text = text.replace(piece, "…")
    return text[:MAX_REASON]
