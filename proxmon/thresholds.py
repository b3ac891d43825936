"""The thresholds of the rules, as the environment may set them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from proxmon.environment import setting
from proxmon.errors import SettingsError

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
