"""Tells whether this machine is a Proxmox VE node, and reads its guests' configurations from /etc/pve."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from .machine import Machine

CONFIG_FOLDERS = {"qemu": "qemu-server", "lxc": "lxc"}
CONFIG_MAX_AGE_SECONDS = 60.0  # /etc/pve is FUSE: a file costs about 1 ms, thirty guests every 10 s would be felt
MAX_CONFIG_BYTES = 64 << 10
GuestKey = tuple[str, int]

_SETTING = re.compile(r"([a-z][a-z_0-9-]*):\s*(.*)")
_MAC = re.compile(r"\b([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})\b")
_ADDRESS = re.compile(r"(?:^|,)(ip6?)=([0-9a-fA-F.:]+)(?:/\d+)?(?=,|$)")


def is_node(machine: Machine) -> bool:
    """Say whether Proxmox VE is installed here."""
    paths = ("/etc/pve/nodes", "/run/pve/metrics", "/usr/share/perl5/PVE/API2.pm")
    return any(map(machine.exists, paths)) or machine.programs.find("pvesh") is not None


def node_name(machine: Machine) -> str:
    """Return this node's name inside its cluster: /etc/pve/local points to it; else the host name's first label."""
    try:
        return os.path.basename(os.readlink(machine.path("/etc/pve/local")))
    except OSError:
        return (machine.find_text("/proc/sys/kernel/hostname") or os.uname().nodename).strip().split(".")[0]


def cluster_name(machine: Machine) -> str | None:
    """Return the name of the cluster that the node belongs to, None for a node on its own."""
    match = re.search(r"^\s*cluster_name:\s*(\S+)", machine.find_text("/etc/pve/corosync.conf") or "", re.MULTILINE)
    return match.group(1) if match else None


class GuestConfig(NamedTuple):
    """What a guest's configuration file says, without its snapshots and pending changes."""

    type: str
    vmid: int
    settings: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return the name as Proxmox shows it, also for a guest that has none."""
        if self.type == "lxc":
            return self.settings.get("hostname", f"CT{self.vmid}")
        return self.settings.get("name", f"VM {self.vmid}")

    @property
    def tags(self) -> list[str]:
        """Return the tags, none where there are none."""
        return split_tags(self.settings.get("tags", ""))

    @property
    def has_agent(self) -> bool:
        """Say whether the QEMU guest agent is enabled: `1`, `1,type=virtio` or `enabled=1,…`."""
        words = self.settings.get("agent", "").split(",")
        return self.type == "qemu" and ("1" in words[:1] or "enabled=1" in words)

    def macs(self) -> list[str]:
        """Return the MAC addresses of the network cards, in their order and in lower case."""
        found = (_MAC.search(self.settings[key]) for key in self._network_keys("net"))
        return [match.group(1).lower() for match in found if match]

    def configured_addresses(self) -> list[str]:
        """Return the fixed addresses of a container's cards or of cloud-init; DHCP tells none."""
        keys = self._network_keys("net" if self.type == "lxc" else "ipconfig")
        return [match.group(2) for key in keys for match in _ADDRESS.finditer(self.settings[key])]

    def _network_keys(self, prefix: str) -> list[str]:
        keys = [key for key in self.settings if re.fullmatch(prefix + r"\d+", key)]
        return sorted(keys, key=lambda key: int(key[len(prefix) :]))


def split_tags(text: str) -> list[str]:
    """Split Proxmox's list of tags, which may be parted by semicolons, commas or blanks."""
    return [tag for tag in re.split(r"[;,\s]+", text) if tag]


def parse_settings(text: str) -> dict[str, str]:
    """Read the `key: value` lines before the first `[section]`, which begins a snapshot or pending changes."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            break
        match = _SETTING.match(line)
        if match:
            settings[match.group(1)] = match.group(2).strip()
    return settings


class GuestConfigs:
    """The configurations of this node's guests, read again when they are old."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._configs: dict[GuestKey, GuestConfig] = {}
        self._read_at: float | None = None

    def configs(self, max_age_seconds: float = CONFIG_MAX_AGE_SECONDS) -> dict[GuestKey, GuestConfig]:
        """Return the configurations by type and vmid, none where /etc/pve cannot be read."""
        now = self._machine.monotonic()
        if self._read_at is None or now - self._read_at >= max_age_seconds:
            self._configs = self._read_all()
            self._read_at = now
        return self._configs

    def _read_all(self) -> dict[GuestKey, GuestConfig]:
        found: dict[GuestKey, GuestConfig] = {}
        for guest_type, folder in CONFIG_FOLDERS.items():
            path = f"/etc/pve/nodes/{node_name(self._machine)}/{folder}"
            for file_name in self._machine.list_folder(path):
                vmid, _, ending = file_name.partition(".")
                text = self._machine.find_text(f"{path}/{file_name}", MAX_CONFIG_BYTES)
                if ending == "conf" and vmid.isdigit() and text is not None:
                    found[guest_type, int(vmid)] = GuestConfig(guest_type, int(vmid), parse_settings(text))
        return found
