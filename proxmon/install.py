"""The command that installs the agent on a host, as the admin page and the command line print it."""

from __future__ import annotations

from shlex import quote


def install_command(public_url: str) -> str:
    """Return the line for a root shell, as Proxmox VE gives one: it has no sudo.

    The script asks for the token, which thus appears on no command line, and says what to do when it is not root.
    """
    url = public_url.rstrip("/")
    return f"curl -fsSL {quote(url + '/agent/install.sh')} -o proxmon-install.sh && sh proxmon-install.sh"
