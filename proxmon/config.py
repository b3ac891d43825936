"""Settings: every one has a name in the environment, a default and a sentence that explains it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from proxmon.errors import SettingsError
from proxmon.logs import LogFormat, LogLevel

LARGEST_PORT = 65_535
MAX_PERCENT = 100


def setting(default: object, env: str, doc: str) -> Any:
    """Declare a setting with its default, its name in the environment and its line in the docs."""
    return field(default=default, metadata={"env": env, "doc": doc})


# Of these rules' settings the first must not pass the second.
ORDERED_SETTINGS = (
    ("capacity_warning_percent", "capacity_critical_percent"),
    ("storage_warning_percent", "storage_critical_percent"),
    ("disk_warning_celsius", "disk_critical_celsius"),
    ("certificate_critical_days", "certificate_warning_days"),
    ("full_critical_days", "full_warning_days"),
)


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The thresholds of the rules."""

    offline_intervals: float = setting(
        3.0, "PROXMON_OFFLINE_INTERVALS", "A host is offline after this many fast intervals without a sample."
    )
    offline_min_seconds: float = setting(
        30.0, "PROXMON_OFFLINE_MIN_SECONDS", "A host is never called offline before this many seconds of silence."
    )
    offline_grace_seconds: float = setting(
        120.0, "PROXMON_OFFLINE_GRACE_SECONDS", "After its own start the server waits this long for silent hosts."
    )
    stale_intervals: float = setting(
        3.0, "PROXMON_STALE_INTERVALS", "A sample older than this many intervals of its tier judges nothing any more."
    )
    capacity_warning_percent: float = setting(
        80.0, "PROXMON_CAPACITY_WARNING_PERCENT", "A zpool filled to this share or more is a warning."
    )
    capacity_critical_percent: float = setting(
        90.0, "PROXMON_CAPACITY_CRITICAL_PERCENT", "A zpool filled to more than this share is critical."
    )
    scrub_max_days: float = setting(
        35.0, "PROXMON_SCRUB_MAX_DAYS", "A zpool whose last scrub ended more days ago is a warning."
    )
    scrub_max_ratio: float = setting(
        2.0,
        "PROXMON_SCRUB_MAX_RATIO",
        "A scrub that takes more than so many times what is usual for its pool is a warning.",
    )
    scrub_max_extra_hours: float = setting(
        1.0, "PROXMON_SCRUB_MAX_EXTRA_HOURS", "A scrub that takes not even so many hours more than usual is never slow."
    )
    snapshot_max_days: float = setting(
        30.0, "PROXMON_SNAPSHOT_MAX_DAYS", "A dataset whose oldest snapshot is older than this is a warning."
    )
    updates_max: float = setting(0.0, "PROXMON_UPDATES_MAX", "More pending updates than this are a warning.")
    clock_max_seconds: float = setting(
        60.0, "PROXMON_CLOCK_MAX_SECONDS", "An agent's clock further off the server's is a warning."
    )
    storage_warning_percent: float = setting(
        90.0,
        "PROXMON_STORAGE_WARNING_PERCENT",
        "A storage filled to this share or more is a warning, where `storage_usage` is on.",
    )
    storage_critical_percent: float = setting(
        97.0,
        "PROXMON_STORAGE_CRITICAL_PERCENT",
        "A storage filled to more than this share is critical, where `storage_usage` is on.",
    )
    load_max_per_cpu: float = setting(
        2.0,
        "PROXMON_LOAD_MAX_PER_CPU",
        "More load over 15 minutes for each CPU than this is a warning, where `load` is on.",
    )
    memory_max_percent: float = setting(
        95.0,
        "PROXMON_MEMORY_MAX_PERCENT",
        "More memory in use, without ZFS's cache, than this is a warning, where `memory` is on.",
    )
    newest_snapshot_max_hours: float = setting(
        26.0,
        "PROXMON_NEWEST_SNAPSHOT_MAX_HOURS",
        "A dataset without a snapshot of this many hours is a warning, where `snapshot_newest` is on.",
    )
    snapshot_max_count: float = setting(
        1000.0,
        "PROXMON_SNAPSHOT_MAX_COUNT",
        "A dataset with more snapshots than this is a warning, where `snapshot_count` is on.",
    )
    backup_max_days: float = setting(
        8.0, "PROXMON_BACKUP_MAX_DAYS", "A guest whose newest backup is older than this many days is a warning."
    )
    backup_required: bool = setting(
        False,
        "PROXMON_BACKUP_REQUIRED",
        "A guest without any backup is a warning; better said for some guests in your rules.",
    )
    security_updates_max: float = setting(
        0.0, "PROXMON_SECURITY_UPDATES_MAX", "More pending security updates than this are a warning."
    )
    disk_warning_celsius: float = setting(
        60.0, "PROXMON_DISK_WARNING_CELSIUS", "A disk of this temperature or more is a warning."
    )
    disk_critical_celsius: float = setting(
        70.0, "PROXMON_DISK_CRITICAL_CELSIUS", "A disk hotter than this is critical."
    )
    disk_max_reallocated: float = setting(
        10.0, "PROXMON_DISK_MAX_REALLOCATED", "A disk with more reallocated sectors than this is a warning."
    )
    disk_max_wear_percent: float = setting(
        90.0, "PROXMON_DISK_MAX_WEAR_PERCENT", "A disk that is worn by more than this is a warning."
    )
    certificate_warning_days: float = setting(
        10.0,
        "PROXMON_CERTIFICATE_WARNING_DAYS",
        "A certificate of the host that ends in fewer days than this is a warning.",
    )
    certificate_critical_days: float = setting(
        3.0,
        "PROXMON_CERTIFICATE_CRITICAL_DAYS",
        "A certificate of the host that ends in fewer days than this is critical.",
    )
    full_warning_days: float = setting(
        14.0, "PROXMON_FULL_WARNING_DAYS", "What is full in fewer days is a warning, where `days_until_full` is on."
    )
    full_critical_days: float = setting(
        3.0, "PROXMON_FULL_CRITICAL_DAYS", "What is full in fewer days is critical, where `days_until_full` is on."
    )

    def __post_init__(self) -> None:
        """Check what has to fit together."""
        declared = {one.name: one.metadata["env"] for one in fields(self)}
        for low, high in ORDERED_SETTINGS:
            if getattr(self, low) > getattr(self, high):
                raise SettingsError(f"Set {declared[low]} to at most {declared[high]}.")


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
        if self.heartbeat_url and not self.heartbeat_url.startswith(("http://", "https://")):
            raise SettingsError("Set PROXMON_HEARTBEAT_URL to an address that begins with https:// or http://.")
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
    rules = RuleSettings(**_read(RuleSettings, environ))
    retention = RetentionSettings(**_read(RetentionSettings, environ))
    values: dict[str, Any] = _read(Settings, environ)
    values |= {name: value for name, value in overrides.items() if value is not None}
    return Settings(**values, rules=rules, retention=retention)


def list_settings() -> list[tuple[str, str, str]]:
    """List every setting as name, default and explanation."""
    declared = [*fields(Settings), *fields(RuleSettings), *fields(RetentionSettings)]
    return [(one.metadata["env"], _shown(one.default), one.metadata["doc"]) for one in declared if one.metadata]


def _read(settings: type, environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in fields(settings):
        text = environ.get(one.metadata["env"], "") if one.metadata else ""
        if text:
            kind: type = one.default.__class__
            found[one.name] = _convert(one.metadata["env"], text, kind)
    return found


def _convert(env: str, text: str, kind: type) -> object:
    if kind is bool:
        if text.casefold() in ("1", "true", "yes", "on"):
            return True
        if text.casefold() in ("0", "false", "no", "off"):
            return False
        raise SettingsError(f"Set {env} to yes or no, not {text!r}.")
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError as error:
        raise SettingsError(f"Set {env} to a number, not {text!r}.") from error
    if not 0 <= number < float("inf"):
        raise SettingsError(f"Set {env} to a number from 0, not {text!r}.")
    return number


def _shown(default: object) -> str:
    return (
        "yes"
        if default is True
        else "no"
        if default is False
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )
