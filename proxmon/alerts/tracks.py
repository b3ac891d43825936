"""One cause on one subject over time: when its alert opens, escalates, eases, flaps and ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from proxmon.alerts.model import RANKS, Alert, EventKind, Observation, Severity
from proxmon.alerts.policy import FLAP_CHANGES, FLAP_WINDOW
from proxmon.findings import Verdict
from proxmon.rulebook.catalog import Hold, Policy


@dataclass(frozen=True, slots=True)
class Run:
    """How long something has held, by time and by samples; ``counted_at`` names the last sample that counted."""

    since: datetime
    samples: int = 0
    counted_at: datetime | None = None

    def count(self, observed_at: datetime | None) -> Run:
        """Return the run after another look; a sample that was seen already counts no second time."""
        is_new = self.samples == 0 or (
            observed_at is not None and (self.counted_at is None or observed_at > self.counted_at)
        )
        return replace(self, samples=self.samples + 1, counted_at=observed_at) if is_new else self

    def due_at(self, hold: Hold) -> datetime | None:
        """Return when the hold is over; None while samples are missing."""
        return self.since + timedelta(seconds=hold.seconds) if self.samples >= hold.samples else None

    def is_over(self, hold: Hold, now: datetime) -> bool:
        """Tell whether it has held long enough."""
        due = self.due_at(hold)
        return due is not None and due <= now


@dataclass(frozen=True, slots=True)
class Track:
    """What is remembered of one cause on one subject.

    ``rising`` holds towards an alert or a worse one, ``falling`` towards its end or an easier one.
    ``flips`` are the last changes between failing and passing; ``is_known`` is false while it cannot be judged.
    """

    alert: Alert | None = None
    rising: Run | None = None
    falling: Run | None = None
    falls_to: Severity | None = None
    flips: tuple[datetime, ...] = ()
    is_failing: bool = False
    is_known: bool = True

    @property
    def is_idle(self) -> bool:
        """Tell whether there is nothing to remember."""
        return self.alert is None and self.rising is None and not self.flips


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a track's alert; the alert is as it was after that."""

    kind: EventKind
    alert: Alert
    detail: str = ""


def step(
    track: Track, seen: Observation, policy: Policy, now: datetime, *, host_id: int, new_id: int
) -> tuple[Track, Change | None]:
    """Return the track after it was looked at, and what that changed; an alert that opens gets ``new_id``."""
    if seen.verdict is Verdict.UNKNOWN:
        # Neither failing nor passing: what had begun goes on where it stood once there is something to see.
        return replace(track, is_known=False, flips=_recent(track.flips, now)), None
    track = _flip(track, _is_failing(track, seen), now)
    if track.alert is None:
        return _without_alert(track, seen, policy, now, host_id=host_id, new_id=new_id)
    return _with_alert(track, track.alert, seen, policy, now)


def due_at(track: Track, policy: Policy) -> datetime | None:
    """Return when time alone may change the track; None when only a sample can."""
    is_flapping = track.alert is not None and track.alert.is_flapping
    moments: list[datetime | None] = [track.flips[-1] + FLAP_WINDOW] if track.flips and is_flapping else []
    if track.is_known:
        if track.rising is not None:
            moments.append(track.rising.due_at(policy.opens))
        if track.falling is not None:
            moments.append(track.falling.due_at(policy.clears))
    return min((one for one in moments if one is not None), default=None)


def is_settled(track: Track, seen: Observation) -> bool:
    """Tell whether to look once more at the same verdict, as ``seen`` led to the track, would change only values.

    What passes again may still count as failing by its value, which can be another while the verdict is the same.
    """
    if track.rising is not None or track.falling is not None:
        return False
    if track.alert is None or seen.verdict is Verdict.UNKNOWN:
        return True
    if track.alert.is_flapping:
        return seen.severity is not None or seen.policy is None or seen.policy.clear_below is None
    return seen.severity == track.alert.severity


def with_values(track: Track, seen: Observation) -> Track:
    """Return the track, its alert with the values of ``seen``; what passes would say that all is well."""
    if track.alert is None or seen.severity is None:
        return track
    return replace(track, alert=replace(track.alert, seen=seen))


def _is_failing(track: Track, seen: Observation) -> bool:
    """Between the threshold that opens and the one that clears, what was open stays open."""
    return seen.severity is not None or (track.alert is not None and not seen.is_clear)


def _flip(track: Track, is_failing: bool, now: datetime) -> Track:
    flips = track.flips if is_failing == track.is_failing else (*track.flips, now)
    return replace(track, flips=_recent(flips, now), is_failing=is_failing, is_known=True)


def _recent(flips: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in flips if now - at < FLAP_WINDOW)[-FLAP_CHANGES:]


def _without_alert(
    track: Track, seen: Observation, policy: Policy, now: datetime, *, host_id: int, new_id: int
) -> tuple[Track, Change | None]:
    is_flapping = len(track.flips) >= FLAP_CHANGES
    rising = (track.rising or Run(now)).count(seen.observed_at) if seen.severity else None
    track = replace(track, rising=rising)
    if seen.severity is None or rising is None or not (is_flapping or rising.is_over(policy.opens, now)):
        return track, None
    alert = Alert(
        new_id, host_id, seen, seen.severity, track.flips[0] if is_flapping else rising.since, now, is_flapping
    )
    kind = EventKind.FLAPPING if is_flapping else EventKind.OPENED
    return replace(track, alert=alert, rising=None, falling=None), Change(kind, alert, _flap_words(is_flapping))


def _with_alert(
    track: Track, alert: Alert, seen: Observation, policy: Policy, now: datetime
) -> tuple[Track, Change | None]:
    if seen.severity is not None:
        # A passing observation would say that all is well; the alert keeps what was wrong.
        alert = replace(alert, seen=seen)
        track = replace(track, alert=alert)
    flapping = _flapping(track, alert, now)
    if flapping is not None:
        return flapping
    if RANKS[seen.severity] > RANKS[alert.severity]:
        return _rise(track, alert, seen, policy, now)
    track = replace(track, rising=None)
    if RANKS[seen.severity] == RANKS[alert.severity] or not seen.is_clear:
        return replace(track, falling=None), None
    return _fall(track, alert, seen, policy, now)


def _flapping(track: Track, alert: Alert, now: datetime) -> tuple[Track, Change | None] | None:
    """Say once that it flaps and once that it is over; in between nothing else is said."""
    if not alert.is_flapping and len(track.flips) >= FLAP_CHANGES:
        alert = replace(alert, is_flapping=True)
        return replace(track, alert=alert, rising=None, falling=None), Change(
            EventKind.FLAPPING, alert, _flap_words(True)
        )
    if alert.is_flapping and not track.flips:
        alert = replace(alert, is_flapping=False)
        return replace(track, alert=alert, rising=None, falling=None), Change(EventKind.STEADIED, alert)
    return (replace(track, alert=alert), None) if alert.is_flapping else None


def _flap_words(is_flapping: bool) -> str:
    return f"It changed {FLAP_CHANGES} times within {FLAP_WINDOW.seconds // 60} minutes." if is_flapping else ""


def _rise(track: Track, alert: Alert, seen: Observation, policy: Policy, now: datetime) -> tuple[Track, Change | None]:
    assert seen.severity is not None
    rising = (track.rising or Run(now)).count(seen.observed_at)
    if not rising.is_over(policy.opens, now):
        return replace(track, rising=rising, falling=None), None
    alert = replace(alert, severity=seen.severity)
    return replace(track, alert=alert, rising=None, falling=None), Change(EventKind.ESCALATED, alert)


def _fall(track: Track, alert: Alert, seen: Observation, policy: Policy, now: datetime) -> tuple[Track, Change | None]:
    is_same = track.falling is not None and track.falls_to == seen.severity
    falling = (track.falling if is_same and track.falling else Run(now)).count(seen.observed_at)
    track = replace(track, falling=falling, falls_to=seen.severity)
    if not falling.is_over(policy.clears, now):
        return track, None
    if seen.severity is None:
        return replace(track, alert=None, falling=None, rising=None), Change(EventKind.CLOSED, alert, seen.message)
    alert = replace(alert, severity=seen.severity)
    return replace(track, alert=alert, falling=None), Change(EventKind.EASED, alert)
