"""Tells whether a Proxmox VE host has a subscription, from the file that Proxmox keeps; its key stays there."""

from __future__ import annotations

import binascii
import json
from typing import Any, cast

from . import pve
from .machine import Machine

# Readable for the group www-data: the key, a checksum, and then JSON in base64, as Proxmox::RS::Subscription writes it.
SUBSCRIPTION_FILE = "/etc/subscription"
NONE = "none"


def subscription_facts(machine: Machine) -> dict[str, Any]:
    """Return `subscription`: Proxmox's own word, such as `active` or `expired`, or `none`; nothing when unknown."""
    if not pve.is_node(machine):
        return {}
    if not machine.exists(SUBSCRIPTION_FILE):
        return {"subscription": NONE}
    status = read_status(machine.find_text(SUBSCRIPTION_FILE) or "")
    return {} if status is None else {"subscription": NONE if status == "notfound" else status}


def read_status(text: str) -> str | None:
    """Return the status in the file's text in lower case, or None when it cannot be read."""
    try:
        info: Any = json.loads(binascii.a2b_base64("".join(text.splitlines()[2:])))
    except ValueError:
        return None
    status = cast("dict[str, Any]", info).get("status") if isinstance(info, dict) else None
    return status.lower() if isinstance(status, str) and status.isalpha() else None
