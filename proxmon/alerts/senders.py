"""Sends messages through Apprise, which knows the services and loads nothing by itself, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Protocol

from proxmon.alerts.messages import Message
from proxmon.alerts.orders import SEND_SECONDS
from proxmon.errors import DeliveryError

# To start, to load Apprise, and to end; a machine under load takes seconds for that.
COURIER_SECONDS = SEND_SECONDS + 20.0
COURIER = (sys.executable, "-m", "proxmon.alerts.courier")


class Sender(Protocol):
    """What delivery asks of the way out; its methods block."""

    def name_service(self, url: str) -> str | None:
        """Return the service that an address belongs to, or None; nothing is sent."""
        ...

    def send(self, url: str, message: Message) -> None:
        """Send a message. Raises DeliveryError when it was not accepted in time."""


class AppriseSender:
    """Sends through Apprise."""

    def name_service(self, url: str) -> str | None:
        """Return the service that an address belongs to, or None; nothing is sent."""
        return _order({"url": url})["service"]

    def send(self, url: str, message: Message) -> None:
        """Send a message. Raises DeliveryError when it was not accepted in time."""
        severity = message.severity.value if message.severity else ""
        answer = _order({"url": url, "title": message.title, "body": message.body, "severity": severity})
        if answer["service"] is None:
            raise DeliveryError("Give the channel its address anew: Apprise does not read the one that it has.")
        if not answer["accepted"]:
            raise DeliveryError(answer["reason"])


def _order(order: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(order).encode()
    try:
        done = subprocess.run(COURIER, input=text, capture_output=True, timeout=COURIER_SECONDS, check=True)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise DeliveryError(f"The service did not answer within {COURIER_SECONDS:g} seconds.") from None
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        # Neither its words nor its input: they may hold the address.
        raise DeliveryError(f"The program that sends messages failed ({type(error).__name__}).") from None
