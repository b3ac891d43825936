"""What a host downloads to install the agent: the script, the program and its digest."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from proxmon.agent_bundle import archive_digest, build_archive
from proxmon.context import Monitor
from proxmon.errors import UnreadableError
from proxmon.handlers.base import ApiHandler

SERVER_PLACEHOLDER = "@PROXMON_SERVER@"
ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?")


@cache
def agent_archive() -> bytes:
    """Return the agent's program; the same bytes for the same release."""
    return build_archive()


class ArchiveHandler(ApiHandler):
    """``GET /agent/proxmon-agent.pyz``."""

    async def get(self) -> None:
        """Answer the program."""
        self.set_header("Content-Type", "application/zip")
        self.finish(agent_archive())

    head = get


class DigestHandler(ApiHandler):
    """``GET /agent/proxmon-agent.pyz.sha256``, in the form that ``sha256sum -c`` reads."""

    async def get(self) -> None:
        """Answer the digest."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{archive_digest(agent_archive())}  proxmon-agent.pyz\n")

    head = get


class InstallScriptHandler(ApiHandler):
    """``GET /agent/install.sh``, with this server's address filled in."""

    async def get(self) -> None:
        """Answer the script."""
        self.set_header("Content-Type", "text/x-shellscript; charset=utf-8")
        self.finish(install_script(public_url(self.monitor, self.request.protocol, self.request.host)))

    head = get


def install_script(server_url: str) -> str:
    """Return the install script for agents of this server.

    Raises:
        UnreadableError: the address came from a Host header that is none; it would run as a part of the script.
    """
    if not ADDRESS.fullmatch(server_url):
        raise UnreadableError("Ask with the server's name or address in the Host header, or set PROXMON_PUBLIC_URL.")
    script = files("proxmon").joinpath("assets/install.sh").read_text(encoding="utf-8")
    return script.replace(SERVER_PLACEHOLDER, server_url)


def public_url(monitor: Monitor, scheme: str, host: str) -> str:
    """Return how agents reach the server: the setting, else the address that this request came to."""
    settings = monitor.settings
    return settings.public_url.rstrip("/") or f"{scheme}://{host}{settings.root}"
