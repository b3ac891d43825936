"""The agent's settings: from the command line, the environment, a file, and defaults, in this order."""

from __future__ import annotations

import argparse
import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from .transport import check_url

DEFAULT_CONFIG = "/etc/proxmon-agent.conf"
SMALLEST_INTERVAL_SECONDS = 0.2  # for tests; below it the agent would be busy with itself


class SettingsError(Exception):
    """The agent cannot start with these settings; the text says what to change."""


class Settings(NamedTuple):
    """What the agent was told; see docs/agent.md for each."""

    server: str
    token: str
    interval: float = 10.0
    medium_interval: float = 300.0
    slow_interval: float = 3600.0
    once: bool = False
    check: bool = False
    self_report: bool = False
    verbose: bool = False
    spool: str | None = None
    spool_hours: float = 24.0
    spool_mib: float = 256.0
    ca_file: str | None = None
    zpool_interval: float = 30.0
    pve_token: str | None = None
    pve_url: str = "https://localhost:8006"
    pve_ca_file: str = "/etc/pve/pve-root-ca.pem"
    root: str = "/"
    path: str | None = None

    @property
    def intervals(self) -> dict[str, float]:
        """Return the seconds between samples by tier."""
        return {"fast": self.interval, "medium": self.medium_interval, "slow": self.slow_interval}

    @property
    def spool_folder(self) -> str:
        """Return the folder that was set, or one of this user for this server and token: samples belong to one host."""
        if self.spool:
            return self.spool
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        # A checksum tells tokens apart well enough, and 32 of their 256 bits help nobody; hashlib would cost 3.5 MB.
        whose = "-".join(f"{zlib.crc32(text.encode()):08x}" for text in (self.server, self.token))
        return os.path.join(state, "proxmon-agent", whose)

    @property
    def spool_samples(self) -> int:
        """Return how many samples so many hours are: a count of samples, since clocks can step."""
        return max(10, round(sum(self.spool_hours * 3600.0 / each for each in self.intervals.values())))


_NUMBERS = ("interval", "medium_interval", "slow_interval", "spool_hours", "spool_mib", "zpool_interval")
_TEXTS = ("server", "token", "token_file", "spool", "ca_file", "pve_token", "pve_url", "pve_ca_file", "root", "path")
VARIABLES = ("PROXMON_CONFIG", *(f"PROXMON_{name.upper()}" for name in (*_NUMBERS, *_TEXTS)))


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of `proxmon agent`; every long option is also a key of the file and a PROXMON_… variable."""
    parser = argparse.ArgumentParser(
        prog="proxmon agent",
        description="Watch this machine and send what it finds to a proxmon server.",
        epilog="`proxmon agent parse KIND FILE` shows what the parsers make of a saved output of zpool or zfs.",
    )
    parser.add_argument("--server", metavar="URL", help="address of the server, such as http://monitor:5006")
    parser.add_argument("--token", metavar="T", help="this host's token; others on this machine can read a command "
                        "line, so prefer --token-file, the config file or PROXMON_TOKEN")  # fmt: skip
    parser.add_argument("--token-file", metavar="FILE", help="file that holds the token")
    parser.add_argument("--config", metavar="FILE", help=f"file of KEY=VALUE lines (default {DEFAULT_CONFIG}, if any)")
    parser.add_argument("--once", action="store_true", help="collect everything once, send it, say so, and end")
    parser.add_argument("--check", action="store_true", help="ask the server whether it takes the token, and end")
    parser.add_argument("--interval", metavar="S", help="seconds between fast samples (default 10)")
    parser.add_argument("--medium-interval", metavar="S", help="seconds between medium samples (default 300)")
    parser.add_argument("--slow-interval", metavar="S", help="seconds between slow samples (default 3600)")
    parser.add_argument("--zpool-interval", metavar="S", help="ask zpool so often while no pool changes (default 30)")
    parser.add_argument("--spool", metavar="DIR", help="folder for samples that could not be delivered yet")
    parser.add_argument("--spool-hours", metavar="H", help="keep at most the samples of so many hours (default 24)")
    parser.add_argument("--spool-mib", metavar="M", help="keep at most so many MiB (default 256)")
    parser.add_argument("--ca-file", metavar="FILE", help="certificate of the authority that signed the server's")
    parser.add_argument("--pve-token", metavar="T", help=argparse.SUPPRESS)
    parser.add_argument("--pve-url", metavar="URL", help="this node's own API (default https://localhost:8006)")
    parser.add_argument("--pve-ca-file", metavar="FILE", help="authority of that API (default: Proxmox's own)")
    parser.add_argument("--root", metavar="DIR", help="read /proc, /sys and /etc/pve below this folder")
    parser.add_argument("--path", metavar="DIRS", help="look for zpool, zfs, … in these folders, parted by colons")
    parser.add_argument("--self-report", action="store_true", help="say what the agent itself costs")
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser


def read_config(argv: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the config file says; for one call, since a pipe can be read only once.

    Raises:
        SettingsError: it cannot be read, or holds a token and others can read it.

    """
    return _from_file(vars(argument_parser().parse_args(argv))["config"] or environ.get("PROXMON_CONFIG"))


def read_settings(argv: Sequence[str], environ: Mapping[str, str], config: Mapping[str, str]) -> Settings:
    """Join what the command line, the environment and the file say; the first that names a setting decides.

    Raises:
        SettingsError: something is missing, malformed, or readable by others.

    """
    options = vars(argument_parser().parse_args(argv))
    layers: list[Mapping[str, Any]] = [options, _from_environment(environ), config]
    values: dict[str, Any] = {}
    for name in (*_NUMBERS, *_TEXTS):
        found = [layer[name] for layer in layers if layer.get(name) not in (None, "")]
        if found:
            values[name] = found[0]
    for name in _NUMBERS:
        if name in values:
            values[name] = _number(name, values[name])
    token_file = values.pop("token_file", None)
    # A token that is named nearer than the file, as on the command line, wins over --token-file from further away.
    if token_file and not options["token"]:
        values["token"] = read_private(token_file).strip()
    flags = {name: bool(options[name]) for name in ("once", "check", "self_report", "verbose")}
    return _checked(values, flags)


def warnings(argv: Sequence[str], settings: Settings, config: Mapping[str, str]) -> list[str]:
    """Return what the user should know about how the settings were given."""
    told: list[str] = []
    if any(word == "--token" or word.startswith("--token=") for word in argv):
        told.append("the token is on the command line, where others on this machine can read it: prefer --token-file")
    # Not refused: a file may have been written for a newer agent.
    unknown = [name for name in config if name not in (*_NUMBERS, *_TEXTS)]
    if unknown:
        told.append(f"the config file has keys that this agent does not know: {', '.join(unknown)}")
    # Not refused where the agent runs on: at boot /etc/pve may not be mounted yet, and systemd restarts no refusal.
    trouble = _find_trouble(settings.ca_file)
    if trouble:
        told.append(f"{trouble}; until it can, no https server is reached")
    return told


def read_private(path: str) -> str:
    """Return the text of a file that nobody but its owner may read.

    Raises:
        SettingsError: it cannot be read, or others can read it.

    """
    return _read(path, is_private=lambda text: True)


def _read(path: str, is_private: Callable[[str], bool]) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    if stat.S_ISREG(mode) and mode & 0o077 and is_private(text):
        raise SettingsError(f"{path} holds a token and others can read it: run `chmod 600 {path}`")
    return text


def _find_trouble(path: str | None) -> str | None:
    try:
        if path:
            open(path, "rb").close()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None


def parse_config(text: str) -> dict[str, str]:
    """Read KEY=VALUE lines; `#` begins a comment line, `[section]` lines are passed over, quotes around a value go."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and key[:1] not in ("#", ";"):
            name = key.strip().lower().replace("-", "_")
            values[name[len("proxmon_") :] if name.startswith("proxmon_") else name] = value.strip().strip("\"'")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    names = (*_NUMBERS, *_TEXTS)
    return {name: environ[f"PROXMON_{name.upper()}"] for name in names if f"PROXMON_{name.upper()}" in environ}


def _from_file(path: str | None) -> dict[str, str]:
    if path is None and not os.access(DEFAULT_CONFIG, os.R_OK):
        return {}
    return parse_config(_read(path or DEFAULT_CONFIG, is_private=lambda text: "token" in parse_config(text)))


def _number(name: str, text: Any) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise SettingsError(f"{name.replace('_', '-')} must be a positive number, not {text!r}")
    return max(value, SMALLEST_INTERVAL_SECONDS) if name.endswith("interval") else value


def _checked(values: dict[str, Any], flags: dict[str, Any]) -> Settings:
    needs_server = not (flags["self_report"] and "server" not in values)
    if needs_server and "server" not in values:
        raise SettingsError(
            "say where the server is: --server URL, PROXMON_SERVER, or `server = URL` in the config file"
        )
    if needs_server and "token" not in values:
        raise SettingsError(
            "a token is missing: --token-file FILE, PROXMON_TOKEN, or `token = …` in the config file; "
            "`proxmon hosts add NAME` on the server makes one"
        )
    token = values.setdefault("token", "")
    if any(not 32 < ord(char) < 127 for char in token):
        raise SettingsError("the token has characters that no token has: copy it again")
    trouble = _find_trouble(values.get("ca_file")) if flags["once"] or flags["check"] else None
    if trouble:
        raise SettingsError(trouble)
    values.setdefault("server", "")
    if values["server"]:
        try:
            values["server"] = check_url(values["server"])
        except ValueError as error:
            raise SettingsError(str(error)) from error
    return Settings(**values, **flags)
