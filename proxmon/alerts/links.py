"""Links from a message that let whoever holds them acknowledge one alert, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxmon.errors import TokenError

LIFETIME = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class LinkSigner:
    """Signs links with a key of the data directory; they expire, and say nothing but the number of an alert."""

    key: str

    def sign(self, alert_id: int, now: datetime) -> str:
        """Return a token that acknowledges that alert for three days."""
        told = f"{alert_id}.{int((now + LIFETIME).timestamp())}"
        return f"{told}.{self._signature(told)}"

    def read(self, token: str, now: datetime) -> int:
        """Return the alert's number. Raises TokenError when the token is not ours or too old."""
        told, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(told).encode()):
            raise TokenError("Use the link as it stands in the message: this one is not whole.")
        alert_id, _, expires = told.partition(".")
        if datetime.fromtimestamp(int(expires), UTC) <= now:
            raise TokenError("Log in and acknowledge the alert on its page: this link is too old.")
        return int(alert_id)

    def _signature(self, told: str) -> str:
        digest = hmac.new(self.key.encode(), f"acknowledge {told}".encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")
