"""Finds the IP addresses of guests, from the best source that is at hand; unknown is not the same as none."""

from __future__ import annotations

import re
import socket

from .machine import Machine

_FIB_HOST = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
# Scope in /proc/net/if_inet6: 00 is global, also private ones; 20 is link-local, which every card has.
_GLOBAL_SCOPE = "00"
_COMPLETE_NEIGHBOUR = 0x2


def is_worth_showing(address: str) -> bool:
    """Say whether an address tells where a guest is reached: not loopback, not link-local, not the unspecified one."""
    low = address.lower()
    return not low.startswith(("127.", "169.254.", "fe8", "fe9", "fea", "feb", "0.")) and low not in ("::1", "::", "")


def container_addresses(machine: Machine, pid: int) -> list[str] | None:
    """Return the addresses in a process's network, read from /proc instead of entering it; None when it is gone."""
    trie = machine.find_text(f"/proc/{pid}/net/fib_trie")
    if trie is None:
        return None
    found = [address for address in _FIB_HOST.findall(trie) if is_worth_showing(address)]
    for line in (machine.find_text(f"/proc/{pid}/net/if_inet6") or "").splitlines():
        words = line.split()
        if len(words) == 6 and words[3] == _GLOBAL_SCOPE and len(words[0]) == 32:
            found.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0])))
    return list(dict.fromkeys(found))


def container_pid(machine: Machine, vmid: int) -> int | None:
    """Return a process of a running container from its control group, for sources that do not tell it."""
    for base in (f"/sys/fs/cgroup/lxc/{vmid}", f"/sys/fs/cgroup/systemd/lxc/{vmid}"):
        for below in ("ns/init.scope", "ns", "init.scope", ""):
            pids = (machine.find_text(f"{base}/{below}/cgroup.procs") or "").split()
            if pids and pids[0].isdigit():
                return int(pids[0])
    return None


def neighbour_addresses(machine: Machine) -> dict[str, list[str]]:
    """Return the addresses that this host itself has spoken to lately, by MAC address in lower case."""
    found: dict[str, list[str]] = {}
    for line in (machine.find_text("/proc/net/arp") or "").splitlines()[1:]:
        words = line.split()
        if len(words) >= 6 and int(words[2], 16) & _COMPLETE_NEIGHBOUR:
            found.setdefault(words[3].lower(), []).append(words[0])
    return found
