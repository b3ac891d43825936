"""The command that installs the agent on a host, as the admin page and the command line print it."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from shlex import quote
from urllib.parse import urlsplit

from proxmon.config import Settings

EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
# An address for documentation (RFC 5737): choosing a way to it sends nothing.
ELSEWHERE = ("192.0.2.1", 9)
CHECK = "Check that the host reaches this address; if it does not, set PROXMON_PUBLIC_URL to one that it reaches."


@dataclass(frozen=True, slots=True)
class Reach:
    """How other machines reach the server, and what to check first; an address that was set needs no check."""

    url: str
    note: str = ""


def install_command(public_url: str) -> str:
    """Return the line for a root shell, as Proxmox VE gives one: it has no sudo.

    The script asks for the token, which thus appears on no command line, and says what to do when it is not root.
    """
    url = public_url.rstrip("/")
    return f"curl -fsSL {quote(url + '/agent/install.sh')} -o proxmon-install.sh && sh proxmon-install.sh"


def reach_of(settings: Settings, port: int | None = None) -> Reach:
    """Return how other machines reach a server with these settings, as far as this machine can tell."""
    address = settings.address
    if settings.public_url:
        return Reach(settings.public_url.rstrip("/"))
    if is_loopback(address):
        note = (
            f"The server listens on {address} only, where no other machine reaches it: start it with "
            "--address 0.0.0.0, or behind a proxy with PROXMON_PUBLIC_URL."
        )
        return Reach(_url(settings, own_address(), port), note)
    if address in EVERY_INTERFACE:
        return Reach(_url(settings, own_address(), port), CHECK)
    return Reach(_url(settings, address, port))


def visited_reach(settings: Settings, scheme: str, host: str) -> Reach:
    """Return how other machines reach a server that a browser reached at this scheme and ``Host`` header."""
    visited = urlsplit(f"//{host}")
    if settings.public_url or is_loopback(visited.hostname or ""):
        return reach_of(settings, settings.port or visited.port)
    return Reach(f"{scheme}://{host}{settings.root}")


def is_loopback(address: str) -> bool:
    """Tell whether an address or name leads back to the machine itself."""
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower().rstrip(".") == "localhost" or address.lower().endswith(".localhost")


def own_address() -> str:
    """Return the address from which this machine speaks to others, or its name when it has no way to them."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(ELSEWHERE)
        address = way.getsockname()[0]
        if not is_loopback(address):
            return address
    return socket.gethostname()


def _url(settings: Settings, address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{settings.scheme}://{host}:{settings.port if port is None else port}{settings.root}"
