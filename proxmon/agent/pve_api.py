"""Asks this node's own Proxmox API for the addresses that a guest's agent reports; needs an API token."""

from __future__ import annotations

import json
import os
from typing import Any

from .addresses import is_worth_showing
from .machine import Machine
from .transport import Transport, TransportError

# Proxmox itself pings the guest's agent for 3 s and asks it for 5 s; a worker of its daemon is held meanwhile.
GUEST_SECONDS = 9.0
SILENT_PAUSE_SECONDS = 1800.0


class GuestAgentApi:
    """Asks guests one after the other, so that at most one worker is held; a silent one is left alone for a while."""

    def __init__(self, machine: Machine, url: str, token: str, ca_file: str) -> None:
        known_ca = machine.path(ca_file)
        self._machine = machine
        self._transport = Transport(url, known_ca if os.path.exists(known_ca) else None)
        self._headers = {"Authorization": f"PVEAPIToken={token}"}
        self._silent_until: dict[int, float] = {}
        self.trouble: str | None = None

    def addresses(self, node: str, vmid: int) -> list[str] | None:
        """Return a guest's addresses, None when its agent does not tell them now."""
        if self._machine.monotonic() < self._silent_until.get(vmid, 0.0):
            return None
        path = f"/api2/json/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces"
        try:
            response = self._transport.request("GET", path, self._headers, b"", GUEST_SECONDS)
        except TransportError as error:
            self._give_rest(vmid)
            self.trouble = f"the Proxmox API gave no answer: {error}"
            return None
        if response.status in (401, 403):
            self.trouble = f"the Proxmox API refuses the token ({response.status}): docs/agent.md says what it needs"
            self._give_rest(vmid)
            return None
        self.trouble = None
        found = parse_interfaces(response.body) if response.status == 200 else None
        if found is None:
            self._give_rest(vmid)
        return found

    def _give_rest(self, vmid: int) -> None:
        self._silent_until[vmid] = self._machine.monotonic() + SILENT_PAUSE_SECONDS


def parse_interfaces(body: bytes) -> list[str] | None:
    """Read the answer to `agent/network-get-interfaces`; None when it is none."""
    try:
        answer: Any = json.loads(body)
        interfaces = answer["data"]["result"]
        addresses = [entry["ip-address"] for each in interfaces for entry in each.get("ip-addresses") or ()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return [address for address in addresses if isinstance(address, str) and is_worth_showing(address)]
