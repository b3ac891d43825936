"""Hosts as the pages are measured with: what they say moves a card, and they keep their connections."""

from __future__ import annotations

import http.client
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from proxmon.payload import Tier
from tests.builders import a_fast_payload, a_guest, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server

GUESTS = 20
INTERVAL_SECONDS = 3600  # nothing goes offline while it is measured


def a_payload(number: int = 0, health: str = "ONLINE") -> dict[str, Any]:
    """Return a fast payload; load, CPU, memory and fill of its card differ for two numbers that are up to 12 apart."""
    percent = 42 + number % 31
    amounts = {"alloc_bytes": percent * 10**10, "free_bytes": (100 - percent) * 10**10}
    pool = a_pool(health=health, capacity_percent=percent, **amounts)
    guests = [a_guest(vmid=100 + one, name=f"guest-{one:02d}") for one in range(GUESTS)]
    payload = a_fast_payload(zfs_pools={"pools": [pool]}, vms_runtime={"vms": guests})
    payload["host"] |= {
        "load1": 0.5 + number % 97 / 100,
        "cpu_percent": 10.0 + number % 37,
        "mem_used_bytes": (8 + number % 13) * 2**30,
    }
    return payload


def a_body(payload: dict[str, Any], tier: Tier = Tier.FAST) -> bytes:
    """Return a message with one sample of now."""
    sample = a_wire_sample(tier.value, collected_at=iso(datetime.now(UTC)), payload=payload)
    return a_message(sample, interval_s=INTERVAL_SECONDS)


class Sender:
    """A host's agent, which keeps its connection."""

    def __init__(self, server: Server, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        self._headers = {"Authorization": f"Bearer {token}"}

    def send(self, payload: dict[str, Any]) -> float:
        """Send a sample; return the moment just before it left, in milliseconds of the wall clock."""
        body = a_body(payload)
        sent_at = time.time() * 1000
        self._connection.request("POST", "/api/ingest", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return sent_at
