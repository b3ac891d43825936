"""The command that installs the agent on a host, as the admin page and the command line print it."""

from __future__ import annotations

from shlex import quote


def install_command(public_url: str) -> str:
    """Return the line to run as root on the host; it asks for the token, which thus appears on no command line."""
    url = public_url.rstrip("/")
    return f"curl -fsSL {quote(url + '/agent/install.sh')} -o proxmon-install.sh && sudo sh proxmon-install.sh"
