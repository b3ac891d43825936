"""``python -m proxmon.alerts.courier``: the process that speaks to Apprise, one order at a time.

Apprise keeps threads that a process which ends waits for, and its services take 20 MB: both are gone with this one.
The order comes as JSON on standard input, since a command line would show the address to every user of the machine.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

import apprise

from proxmon.alerts.orders import SEND_SECONDS, without_secrets

KINDS = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}


def fulfil(order: dict[str, Any]) -> dict[str, Any]:
    """Return the service that an address belongs to, and with a message whether it was accepted and why not."""
    logging.getLogger("apprise").propagate = False
    service: Any = apprise.Apprise.instantiate(order["url"])
    answer: dict[str, Any] = {"service": None if service is None else str(service.service_name)}
    if service is None or "title" not in order:
        return answer
    service.overflow_mode = apprise.OverflowMode.SPLIT
    everything = apprise.Apprise()
    everything.add(service)
    result: Any = everything.notify(
        body=order["body"],
        title=order["title"],
        notify_type=KINDS.get(order["severity"], apprise.NotifyType.SUCCESS),
        body_format=apprise.NotifyFormat.TEXT,
        timeout=SEND_SECONDS,
    )
    return answer | {"accepted": bool(result), "reason": without_secrets(_reason(result), order["url"])}


def _reason(result: Any) -> str:
    if result:
        return ""
    if result.status.name == "TIMEOUT":
        return f"The service did not answer within {SEND_SECONDS:g} seconds."
    reasons = dict.fromkeys(entry.message for entry in result.logs())
    return " ".join(reasons) or "The service did not accept the message."


if __name__ == "__main__":
    print(json.dumps(fulfil(json.load(sys.stdin))), flush=True)
    os._exit(0)  # without waiting for a thread that hangs
