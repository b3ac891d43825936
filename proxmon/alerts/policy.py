"""How long a finding must hold before it alerts, and how long it must be gone before the alert ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from proxmon.config import RuleSettings


@dataclass(frozen=True, slots=True)
class Hold:
    """A verdict has held when so many samples in a row said it and so much time has passed since the first."""

    samples: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one rule alerts.

    An alert ends when its value is below ``clear_below``, not as soon as it is below the threshold that opened it;
    a critical one becomes a warning below ``ease_below``. None means that the rule's own threshold decides.
    """

    opens: Hold = field(default_factory=Hold)
    clears: Hold = field(default_factory=lambda: Hold(3, 60.0))
    is_on: bool = True
    clear_below: float | None = None
    ease_below: float | None = None


# So many changes within this time are flapping, said once; it is over when as much time has passed without one.
FLAP_CHANGES = 5
FLAP_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policies:
    """How every rule alerts, and for how long a silent host is waited for.

    ``settings`` are the rules' own, which say for how long the server must have listened after its start.
    ``away_seconds``: how long a host may be away, by the reason of its goodbye.
    ``arrival_seconds``: how long an agent may take to use a new token.
    """

    rules: Mapping[str, Policy]
    settings: RuleSettings = field(default_factory=RuleSettings)
    away_seconds: Mapping[str, float] = field(default_factory=lambda: {"reboot": 900.0, "upgrade": 300.0})
    arrival_seconds: float = 900.0

    def find(self, rule: str) -> Policy:
        """Return how the rule alerts."""
        return self.rules.get(rule, Policy())


def default_policies(settings: RuleSettings) -> Policies:
    """Return how the rules alert unless somebody said otherwise.

    A fault that samples every ten seconds could show for one moment must be seen twice; what comes and goes by
    nature (a late tier, a clock) must stay. What changes within days needs no time to hold.
    """
    return Policies(
        {
            # The three missed intervals are in the finding already.
            "offline": Policy(Hold(), Hold(1, 0.0)),
            "zpool_health": Policy(Hold(2), Hold(3, 60.0)),
            "zpool_errors": Policy(Hold(2), Hold(3, 60.0)),
            "zpool_capacity": Policy(
                Hold(3, 60.0),
                Hold(3, 300.0),
                clear_below=settings.capacity_warning_percent - 2,
                ease_below=settings.capacity_critical_percent - 2,
            ),
            "scrub_age": Policy(Hold(2), Hold(2)),
            "snapshot_age": Policy(Hold(2), Hold(2)),
            # On every host for most of the time: a light, and an alert only for who wants it.
            "pending_updates": Policy(Hold(2), Hold(1), is_on=False),
            "collection": Policy(Hold(3, 120.0), Hold(3, 60.0)),
            "clock_offset": Policy(Hold(3, 120.0), Hold(3, 120.0), clear_below=settings.clock_max_seconds * 0.8),
        },
        settings,
    )
