"""Settings: every one has a name in the environment, a default and a sentence that explains it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from proxmon.environment import read_environment, setting, shown_default
from proxmon.errors import SettingsError
from proxmon.logs import LogFormat, LogLevel
from proxmon.quack import LARGEST_PORT, check_address
from proxmon.thresholds import RuleSettings

log = logging.getLogger(__name__)

MAX_PERCENT = 100
SCHEMES = ("http://", "https://")
_ROOT = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")
# How names begin that the agent's installer and the tests read, and that may stand in the same environment.
OTHER_NAMES = (
    "PROXMON_AGENT_",
    "PROXMON_BENCH_",
    "PROXMON_DESTDIR",
    "PROXMON_PUBLISHED_",
    "PROXMON_SOAK",
    "PROXMON_WAIT_",
)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How many days the store keeps what; 0 is without end."""

    fast_payload_days: float = setting(
        3.0, "PROXMON_KEEP_FAST_PAYLOADS_DAYS", "Fast samples are kept as they came for this many days; 0 is for ever."
    )
    payload_days: float = setting(
        365.0, "PROXMON_KEEP_PAYLOADS_DAYS", "Medium and slow samples are kept as they came for this many days."
    )
    hourly_payload_days: float = setting(
        365.0,
        "PROXMON_KEEP_HOURLY_PAYLOADS_DAYS",
        "After that, the last sample of each hour and those that events tell of are kept until they are this old.",
    )
    row_days: float = setting(
        14.0, "PROXMON_KEEP_ROWS_DAYS", "Rows of hosts, zpools, storages and datasets are kept for this many days."
    )
    guest_row_days: float = setting(
        3.0, "PROXMON_KEEP_GUEST_ROWS_DAYS", "Rows of guests, by far the most, are kept for this many days."
    )
    minute_days: float = setting(90.0, "PROXMON_KEEP_MINUTES_DAYS", "Values by the minute are kept for this many days.")
    hour_days: float = setting(0.0, "PROXMON_KEEP_HOURS_DAYS", "Values by the hour are kept for this many days.")
    compact_percent: float = setting(
        40.0, "PROXMON_COMPACT_PERCENT", "The store is compacted when this share of its file is free; 0 is never."
    )

    def __post_init__(self) -> None:
        """Check that nothing is dropped before it was rolled up, and no hour while its day goes on."""
        for one in fields(self):
            if one.name.endswith("_days") and 0 < getattr(self, one.name) < 1:
                raise SettingsError(f"Set {one.metadata['env']} to 1 or more days, or to 0 to keep it for ever.")
        if self.compact_percent > MAX_PERCENT:
            raise SettingsError(f"Set PROXMON_COMPACT_PERCENT to at most {MAX_PERCENT}.")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is started with."""

    password_hash: str = setting(
        "", "DASHBOARD_PASSWORD_HASH", "Argon2 hash of the dashboard's password, as `proxmon hash-password` prints it."
    )
    data: str = setting(
        "", "PROXMON_DATA", "Directory of the store and its keys; by default `proxmon` under the user's data home."
    )
    address: str = setting("127.0.0.1", "PROXMON_ADDRESS", "Address to listen on; `0.0.0.0` is every interface.")
    port: int = setting(5006, "PROXMON_PORT", "Port to listen on; 0 takes a free one.")
    read_only: bool = setting(
        False, "PROXMON_READ_ONLY", "Show a bundle or the copy of a data directory, and change nothing in it."
    )
    public_url: str = setting(
        "", "PROXMON_PUBLIC_URL", "How agents and browsers reach the server, for install commands behind a proxy."
    )
    origins: str = setting(
        "", "PROXMON_ORIGINS", "Further hosts, comma separated, whose pages count as ours, such as `mon.example`."
    )
    prefix: str = setting("", "PROXMON_PREFIX", "Path under which a proxy serves the pages, such as `/proxmon`.")
    tls_certificate: str = setting(
        "", "PROXMON_TLS_CERTIFICATE", "File with the certificate and its chain (PEM), to serve https without a proxy."
    )
    tls_key: str = setting("", "PROXMON_TLS_KEY", "File with the certificate's private key, if it is not in the same.")
    trust_proxy: bool = setting(
        False, "PROXMON_TRUST_PROXY", "Take the visitor's address and scheme from the proxy's headers."
    )
    session_days: float = setting(14.0, "PROXMON_SESSION_DAYS", "A login lasts this many days.")
    max_body_bytes: int = setting(
        8 * 1024 * 1024, "PROXMON_MAX_BODY_BYTES", "Largest message of an agent, unpacked; 8 MiB by default."
    )
    rules_file: str = setting(
        "", "PROXMON_RULES", "File with your own rules; by default `rules.toml` in the data directory."
    )
    query_seconds: float = setting(
        30.0, "PROXMON_QUERY_SECONDS", "A query of an analyst is ended after this many seconds."
    )
    quack: str = setting(
        "", "PROXMON_QUACK", "Where DuckDB on this machine can `ATTACH`, such as `127.0.0.1:9494`; see analysts.md."
    )
    heartbeat_url: str = setting(
        "", "PROXMON_HEARTBEAT_URL", "Address that is requested every minute while the server is well; a secret."
    )
    log_level: str = setting(
        LogLevel.WARNING.value, "PROXMON_LOG_LEVEL", "The least that is logged: `debug`, `info`, `warning` or `error`."
    )
    log_format: str = setting(
        LogFormat.TEXT.value, "PROXMON_LOG_FORMAT", "Form of the log on standard error: `text`, or `json` a line."
    )
    rules: RuleSettings = field(default_factory=RuleSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    def __post_init__(self) -> None:
        """Check what cannot be listened on, served or logged."""
        for env, value, kinds in (
            ("PROXMON_LOG_LEVEL", self.log_level, LogLevel),
            ("PROXMON_LOG_FORMAT", self.log_format, LogFormat),
        ):
            if value not in tuple(kinds):
                raise SettingsError(f"Set {env} to one of {', '.join(kinds)}, not {value!r}.")
        if not 0 <= self.port <= LARGEST_PORT:
            raise SettingsError(f"Set --port or PROXMON_PORT to a number from 0 to {LARGEST_PORT}, not {self.port}.")
        if self.quack:
            check_address(self.quack)
        for env, url in (("PROXMON_PUBLIC_URL", self.public_url), ("PROXMON_HEARTBEAT_URL", self.heartbeat_url)):
            if url and not url.startswith(SCHEMES):
                raise SettingsError(f"Set {env} to an address that begins with https:// or http://.")
        if not _ROOT.fullmatch(self.root):
            raise SettingsError(f"Set --prefix or PROXMON_PREFIX to a path such as /proxmon, not {self.prefix!r}.")
        if self.tls_key and not self.tls_certificate:
            raise SettingsError("Set PROXMON_TLS_CERTIFICATE as well: a key alone serves no https.")

    @property
    def scheme(self) -> str:
        """Return how the server itself is spoken to."""
        return "https" if self.tls_certificate else "http"

    @property
    def data_directory(self) -> Path:
        """Return the directory of the store, whether it exists or not."""
        return Path(self.data).expanduser() if self.data else default_data_directory(os.environ)

    @property
    def rules_path(self) -> Path:
        """Return the file of the owner's rules, whether it exists or not."""
        return Path(self.rules_file).expanduser() if self.rules_file else self.data_directory / "rules.toml"

    @property
    def root(self) -> str:
        """Return the path that all addresses start with: empty, or such as ``/proxmon``."""
        path = self.prefix.strip("/")
        return f"/{path}" if path else ""

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Return the further hosts whose pages count as our own, also those that were written with ``https://``."""
        named = (one.rpartition("//")[2].strip().rstrip("/").lower() for one in self.origins.split(","))
        return frozenset(one for one in named if one)


def default_data_directory(environ: Mapping[str, str]) -> Path:
    """Return ``proxmon`` under the user's data home (XDG base directory specification)."""
    home = environ.get("XDG_DATA_HOME", "")
    return Path(home if home.startswith("/") else "~/.local/share").expanduser() / "proxmon"


def read_settings(environ: Mapping[str, str], **overrides: object) -> Settings:
    """Read all settings from the environment; ``overrides`` that are not None win.

    Raises:
        SettingsError: a value cannot be used; the text names the variable.
    """
    rules = RuleSettings(**read_environment(RuleSettings, environ))
    retention = RetentionSettings(**read_environment(RetentionSettings, environ))
    values: dict[str, Any] = read_environment(Settings, environ)
    values |= {name: value for name, value in overrides.items() if value is not None}
    values["password_hash"] = _unquoted(values.get("password_hash", ""))
    for name in ("public_url", "heartbeat_url"):
        values[name] = _with_lower_scheme(values.get(name, ""))
    return Settings(**values, rules=rules, retention=retention)


def list_settings() -> list[tuple[str, str, str]]:
    """List every setting as name, default and explanation."""
    declared = [*fields(Settings), *fields(RuleSettings), *fields(RetentionSettings)]
    return [(one.metadata["env"], shown_default(one.default), one.metadata["doc"]) for one in declared if one.metadata]


def warn_of_unknown_names(environ: Mapping[str, str], known: Iterable[str] = ()) -> None:
    """Log the names that look like settings and are none; ``known`` are those of other programs, as of the agent."""
    names = {env for env, _, _ in list_settings()}.union(known)
    asked = [name for name in environ if name.startswith("PROXMON_") and not name.startswith(OTHER_NAMES)]
    if unknown := sorted(set(asked) - names):
        log.warning("No setting has this name, and it changes nothing: %s; see docs/settings.md", ", ".join(unknown))


def _unquoted(text: str) -> str:
    """Return a text without the quotes around it, which no shell took away: Docker's ``--env-file`` knows none."""
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text


def _with_lower_scheme(url: str) -> str:
    """Return an address as who reads it expects it: the case of a scheme says nothing (RFC 3986, 3.1)."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}{separator}{rest}" if separator else url
