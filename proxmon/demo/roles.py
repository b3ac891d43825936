"""What each simulated host is there to show, and when its trouble comes and goes.

Moments are counted in seconds from the start of the demo. From then on troubles come in short rounds, so that who
watches sees them change within minutes; before it, in the past, each happened once and as slowly as in real life.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxmon.demo.noise import DAY_SECONDS, unit


class Role(StrEnum):
    """The part that a host plays."""

    STEADY = "steady"
    UNSCRUBBED = "unscrubbed"
    FAILING = "failing"
    FILLING = "filling"
    SILENT = "silent"
    FULL = "full"
    NEGLECTED = "neglected"
    STUCK = "stuck"
    ADRIFT = "adrift"


# The first eight hosts show everything; of the others most have nothing to tell, as in a real fleet.
PLANNED = (
    Role.UNSCRUBBED,
    Role.FAILING,
    Role.FILLING,
    Role.SILENT,
    Role.FULL,
    Role.NEGLECTED,
    Role.STUCK,
    Role.ADRIFT,
)
TROUBLED_SHARE = 0.2  # a third of which has no trouble at any one moment
LONGEST_ROUND_SECONDS = 480.0


def role_of(index: int) -> Role:
    """Return the part of a host."""
    if index < len(PLANNED):
        return PLANNED[index]
    chance = unit("role", index) / TROUBLED_SHARE
    return PLANNED[int(chance * len(PLANNED))] if chance < 1 else Role.STEADY


def stagger_seconds(index: int) -> float:
    """Return how far a host is ahead in its rounds, so that a large fleet does not move in step."""
    return 0.0 if index < len(PLANNED) else unit("stagger", index) * LONGEST_ROUND_SECONDS


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was so once, in days before the demo began; 0 is until today."""

    since_days: float
    until_days: float = 0.0

    def is_on(self, seconds: float) -> bool:
        """Tell whether it is so that many seconds after the start, or before it when negative."""
        return -self.since_days * DAY_SECONDS <= seconds < -self.until_days * DAY_SECONDS

    def has_begun(self, seconds: float) -> bool:
        """Tell whether it has begun, whether or not it is over."""
        return seconds >= -self.since_days * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Rounds:
    """When a trouble is there: from ``first`` to ``last`` of each round, perhaps of the next, and once in the past."""

    period: float
    first: float
    last: float
    past: Span

    def is_on(self, seconds: float, stagger: float = 0.0) -> bool:
        """Tell whether the trouble is there so many seconds after the start, or before it when negative."""
        if seconds < 0:
            return self.past.is_on(seconds)
        return (seconds + stagger - self.first) % self.period < self.last - self.first


# The rounds are laid so that at any moment one of the first eight hosts has no trouble and nothing unknown, and one is
# offline: while the silent one is back, and until it counts as offline again, the agent of another is stopped.
TROUBLES = {
    Role.SILENT: Rounds(period=300, first=190, last=450, past=Span(6, 6 - 4 / 24)),
    Role.STUCK: Rounds(period=300, first=0, last=70, past=Span(15, 14.75)),
    Role.ADRIFT: Rounds(period=300, first=240, last=296, past=Span(21, 21 - 20 / 24)),
}


STOPPED_FROM_SECONDS, STOPPED_UNTIL_SECONDS = 135.0, 235.0


def is_stopped(index: int, seconds: float) -> bool:
    """Tell whether somebody has stopped the host's agent, which happens to those that are stuck at times."""
    if seconds < 0 or role_of(index) is not Role.STUCK:
        return False
    moment = (seconds + stagger_seconds(index)) % TROUBLES[Role.STUCK].period
    return STOPPED_FROM_SECONDS <= moment < STOPPED_UNTIL_SECONDS


# A scrub is missed once 35 days have passed since the last one, which is the rule's limit.
MISSED_SCRUB = Span(since_days=2.25, until_days=0.75)
SCRUBBED_BEFORE_DAYS = MISSED_SCRUB.since_days + 35
FIRST_UPDATES, LAST_UPDATES = Span(since_days=26, until_days=22), Span(since_days=12)
# A snapshot that somebody made by hand, and that was 30 days old, which is the rule's limit, when this began.
OLD_SNAPSHOTS = Span(since_days=17)
FORGOTTEN_DAYS = OLD_SNAPSHOTS.since_days + 30


def is_troubled(index: int, role: Role, seconds: float) -> bool:
    """Tell whether the host plays that part and its trouble is there now."""
    return role_of(index) is role and TROUBLES[role].is_on(seconds, stagger_seconds(index))
