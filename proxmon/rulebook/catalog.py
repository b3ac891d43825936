"""The rules there are: what each judges, what of it can be set, and how it alerts unless somebody says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxmon.config import RuleSettings

Limit = Callable[[RuleSettings], float]


@dataclass(frozen=True, slots=True)
class Hold:
    """A verdict has held when so many samples in a row said it and so much time has passed since the first."""

    samples: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one rule alerts, on one host and subject.

    An alert ends when its value is below ``clear_below``, not as soon as it is below the threshold that opened it;
    a critical one becomes a warning below ``ease_below``. None means that the rule's own threshold decides.
    """

    opens: Hold = field(default_factory=Hold)
    clears: Hold = field(default_factory=lambda: Hold(3, 60.0))
    is_on: bool = True
    clear_below: float | None = None
    ease_below: float | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold: its key in the file, its setting (a field of ``RuleSettings``), and words that stand for values."""

    key: str
    setting: str
    unit: str = ""
    words: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule as somebody sets it.

    ``subject`` is the key of the pattern that chooses what it judges on a host; empty where that is the host itself.
    ``is_on`` tells whether it judges by default, ``alerts`` whether its findings alert. A finding alerts when it has
    held for ``opens``; the alert ends when the rule has passed for ``clears`` with a value below ``clear_below``.
    """

    name: str
    subject: str = ""
    parameters: tuple[Parameter, ...] = ()
    is_on: bool = True
    alerts: bool = True
    opens: Hold = field(default_factory=Hold)
    clears: Hold = field(default_factory=lambda: Hold(3, 60.0))
    clear_below: Limit | None = None
    ease_below: Limit | None = None
    can_be_off: bool = True


# A fault that samples every ten seconds could show for one moment must be seen twice; what comes and goes by nature
# (a late tier, a clock) must stay. What changes within days needs no time to hold.
CONTRACT = (
    RuleSpec(
        "offline",
        parameters=(
            Parameter("intervals", "offline_intervals"),
            Parameter("min_seconds", "offline_min_seconds", "s"),
            Parameter("grace_seconds", "offline_grace_seconds", "s"),
        ),
        # The three missed intervals are in the finding already.
        clears=Hold(1, 0.0),
        can_be_off=False,
    ),
    RuleSpec("zpool_health", "pool", opens=Hold(2)),
    RuleSpec(
        "zpool_capacity",
        "pool",
        (
            Parameter("warning_percent", "capacity_warning_percent", "%"),
            Parameter("critical_percent", "capacity_critical_percent", "%"),
        ),
        opens=Hold(3, 60.0),
        clears=Hold(3, 300.0),
        clear_below=lambda settings: settings.capacity_warning_percent - 2,
        ease_below=lambda settings: settings.capacity_critical_percent - 2,
    ),
    RuleSpec("zpool_errors", "pool", opens=Hold(2)),
    RuleSpec("scrub_age", "pool", (Parameter("max_days", "scrub_max_days", "d"),), opens=Hold(2), clears=Hold(2)),
    RuleSpec(
        "snapshot_age", "dataset", (Parameter("max_days", "snapshot_max_days", "d"),), opens=Hold(2), clears=Hold(2)
    ),
    RuleSpec(
        "pending_updates",
        parameters=(Parameter("max", "updates_max", "updates"),),
        # On every host for most of the time: a light, and an alert only for who wants it.
        alerts=False,
        opens=Hold(2),
        clears=Hold(1),
    ),
    RuleSpec("collection", parameters=(Parameter("stale_intervals", "stale_intervals"),), opens=Hold(3, 120.0)),
    RuleSpec(
        "clock_offset",
        parameters=(Parameter("max_seconds", "clock_max_seconds", "s"),),
        opens=Hold(3, 120.0),
        clears=Hold(3, 120.0),
        clear_below=lambda settings: settings.clock_max_seconds * 0.8,
    ),
)
POLICIES = {"hourly": 2.0, "daily": 26.0, "weekly": 8 * 24.0, "monthly": 32 * 24.0}
# The first nine decide the light of every host. Those that read the same data would change it, so they are off until
# somebody wants them; those that read what only some hosts send are on.
FURTHER = (
    RuleSpec("redundancy", "pool", is_on=False, opens=Hold(2)),
    RuleSpec(
        "scrub_duration",
        "pool",
        (
            Parameter("max_ratio", "scrub_max_ratio", "times"),
            Parameter("max_extra_hours", "scrub_max_extra_hours", "h"),
        ),
        opens=Hold(2),
        clears=Hold(2),
    ),
    RuleSpec("storage_inactive", "storage", is_on=False, opens=Hold(3, 120.0)),
    RuleSpec(
        "storage_usage",
        "storage",
        (
            Parameter("warning_percent", "storage_warning_percent", "%"),
            Parameter("critical_percent", "storage_critical_percent", "%"),
        ),
        is_on=False,
        opens=Hold(3, 60.0),
        clears=Hold(3, 300.0),
        clear_below=lambda settings: settings.storage_warning_percent - 2,
        ease_below=lambda settings: settings.storage_critical_percent - 2,
    ),
    # A guest that somebody restarts, or that a backup stops, is back before long.
    RuleSpec("guest_stopped", "guest", opens=Hold(3, 600.0)),
    RuleSpec(
        "load",
        parameters=(Parameter("max_per_cpu", "load_max_per_cpu"),),
        is_on=False,
        opens=Hold(3, 900.0),
        clears=Hold(3, 300.0),
        clear_below=lambda settings: settings.load_max_per_cpu * 0.9,
    ),
    RuleSpec(
        "memory",
        parameters=(Parameter("max_percent", "memory_max_percent", "%"),),
        is_on=False,
        opens=Hold(3, 900.0),
        clears=Hold(3, 300.0),
        clear_below=lambda settings: settings.memory_max_percent - 2,
    ),
    RuleSpec(
        "snapshot_newest",
        "dataset",
        (Parameter("max_hours", "newest_snapshot_max_hours", "h", POLICIES),),
        is_on=False,
        opens=Hold(2),
        clears=Hold(1),
    ),
    RuleSpec(
        "snapshot_count",
        "dataset",
        (Parameter("max", "snapshot_max_count", "snapshots"),),
        is_on=False,
        opens=Hold(2),
        clears=Hold(2),
    ),
    RuleSpec(
        "backup_age",
        "guest",
        (Parameter("max_days", "backup_max_days", "d"), Parameter("required", "backup_required")),
        opens=Hold(2),
        clears=Hold(2),
    ),
    RuleSpec("reboot_required", is_on=False, clears=Hold(1)),
    RuleSpec(
        "security_updates",
        parameters=(Parameter("max", "security_updates_max", "updates"),),
        alerts=False,
        opens=Hold(2),
        clears=Hold(1),
    ),
    RuleSpec(
        "disk_temperature",
        "disk",
        (
            Parameter("warning_celsius", "disk_warning_celsius", "°C"),
            Parameter("critical_celsius", "disk_critical_celsius", "°C"),
        ),
        clears=Hold(1),
        clear_below=lambda settings: settings.disk_warning_celsius - 3,
        ease_below=lambda settings: settings.disk_critical_celsius - 3,
    ),
    RuleSpec(
        "disk_health",
        "disk",
        (
            Parameter("max_reallocated", "disk_max_reallocated", "sectors"),
            Parameter("max_wear_percent", "disk_max_wear_percent", "%"),
        ),
        clears=Hold(1),
    ),
    RuleSpec(
        "certificate",
        "certificate",
        (
            Parameter("warning_days", "certificate_warning_days", "d"),
            Parameter("critical_days", "certificate_critical_days", "d"),
        ),
        clears=Hold(1),
    ),
    RuleSpec("agent_outdated", is_on=False, opens=Hold(2), clears=Hold(1)),
    # Forecasts are made each hour; one that gets better must stay so for a day.
    RuleSpec(
        "days_until_full",
        "volume",
        (Parameter("warning_days", "full_warning_days", "d"), Parameter("critical_days", "full_critical_days", "d")),
        is_on=False,
        opens=Hold(2),
        clears=Hold(2, 86_400.0),
    ),
)
CATALOG: Mapping[str, RuleSpec] = {spec.name: spec for spec in (*CONTRACT, *FURTHER)}
