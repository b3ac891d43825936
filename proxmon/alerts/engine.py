"""The engine: follows every host's findings and says which alerts opened, changed and ended. No I/O, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from proxmon.alerts.causes import Key, Seen, observe
from proxmon.alerts.model import SERVER_ID, Alert, AlertEvent, EventKind, Observation, event_of
from proxmon.alerts.policy import Policies
from proxmon.alerts.tracks import Change, Track, due_at, is_settled, step, with_values
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.catalog import Policy
from proxmon.status import HostStatus

# A verdict is valid up to and including this moment; the next one is the first at which it can differ.
INSTANT = timedelta(microseconds=1)
# Of a host, subjects that pass and of which is remembered only that they changed: names that are others in each sample
# must not add up, and nobody looks at a thousand that flap.
MAX_QUIET = 1_000
# Of a host: what nobody would read any more. Of more subjects the first by name are followed, until some of them pass.
MAX_TRACKS = 5_000
Judge = Callable[[HostSnapshot, datetime], HostStatus]


@dataclass(frozen=True, slots=True)
class Kept:
    """A status in which no verdict differs from those before; it is read once its values are needed."""

    read: Callable[[], HostStatus]
    at: datetime


@dataclass(slots=True)
class HostState:
    """What the engine remembers of one host.

    ``is_settled`` when to look at the same verdicts once more would change nothing; ``kept`` is the last status that
    was not looked at for that reason.
    """

    snapshot: HostSnapshot
    tracks: dict[Key, Track] = field(default_factory=dict[Key, Track])
    due_at: datetime | None = None
    queued_at: datetime | None = None
    looked_at: datetime | None = None
    is_settled: bool = False
    kept: Kept | None = None

    @property
    def has_alerts(self) -> bool:
        """Tell whether an alert is open."""
        return any(track.alert is not None for track in self.tracks.values())


class AlertEngine:
    """Alerts of a fleet, as a function of what was observed and when.

    Give it every change in the order of time. What time alone changes happens at its own moment and not when
    somebody looks, so the result does not depend on how often ``advance`` is called.
    """

    def __init__(self, judge: Judge, policies: Policies, started_at: datetime, next_id: int = 1) -> None:
        self._judge, self._started_at, self._next_id = judge, started_at, next_id
        self.policies = policies
        self._hosts: dict[int, HostState] = {}
        self._timers: list[tuple[datetime, int]] = []

    @property
    def newest_id(self) -> int:
        """Return the highest id that an alert ever had; 0 when there was none."""
        return self._next_id - 1

    def open_own(self, seen: Observation, now: datetime) -> AlertEvent:
        """Open an alert about the server itself, which nobody but ``seen`` says to be so; it is not followed."""
        assert seen.severity is not None
        alert = Alert(self._next_id, SERVER_ID, seen, seen.severity, now, now)
        self._next_id += 1
        return event_of(alert, EventKind.OPENED, now)

    def list_alerts(self) -> list[Alert]:
        """List the open alerts with the values that were measured last, the oldest first."""
        for state in self._hosts.values():
            self._refresh(state)
        found = (track.alert for state in self._hosts.values() for track in state.tracks.values())
        return sorted((alert for alert in found if alert is not None), key=lambda alert: alert.id)

    def restore(self, snapshot: HostSnapshot, alerts: Iterable[Alert]) -> None:
        """Take over a host's open alerts from before a restart."""
        tracks = {
            (one.seen.cause, one.seen.subject): Track(alert=one, is_failing=True, is_known=False) for one in alerts
        }
        self._hosts[snapshot.host.id] = HostState(snapshot, tracks)

    def restart(self, now: datetime) -> None:
        """Note that the server could not listen until now: silence from before says nothing about a host."""
        self._started_at = now

    def take(self, snapshot: HostSnapshot, status: HostStatus, now: datetime) -> list[AlertEvent]:
        """Take in a host as it was judged at ``now``, and return what that changed."""
        state = self._hosts.get(snapshot.host.id)
        if state is None:
            state = self._hosts[snapshot.host.id] = HostState(snapshot)
        self._refresh(state)
        state.snapshot = snapshot
        return self._look(state, status, now)

    def keep(self, snapshot: HostSnapshot, read: Callable[[], HostStatus], now: datetime) -> bool:
        """Take in a host on which no verdict changed, without a look at it; False where that is not enough.

        That is so while samples are counted, where a value alone may change something, and on a host that was not
        looked at yet, or later than ``now``. ``read`` gives the status of ``now``: an open alert has its values once
        somebody asks, or it changes.
        """
        state = self._hosts.get(snapshot.host.id)
        if state is None or not state.is_settled or state.looked_at is None or now < state.looked_at:
            return False
        state.snapshot, state.kept = snapshot, Kept(read, now)
        return True

    def advance(self, now: datetime) -> list[AlertEvent]:
        """Return what time alone changed up to ``now``, each change at its own moment."""
        events: list[AlertEvent] = []
        while self._timers and self._timers[0][0] <= now:
            at, host_id = heapq.heappop(self._timers)
            state = self._hosts.get(host_id)
            if state is None or state.queued_at != at:
                continue
            state.queued_at = None
            if state.due_at is not None and state.due_at <= at:
                self._refresh(state)
                events += self._look(state, self._judge(state.snapshot, at), at)
            else:
                self._queue(state)
        return events

    def forget(self, host_id: int, now: datetime, why: str) -> list[AlertEvent]:
        """End the alerts of a host that is no longer there."""
        state = self._hosts.pop(host_id, None)
        if state is None:
            return []
        self._refresh(state)
        alerts = [track.alert for track in state.tracks.values() if track.alert is not None]
        return [event_of(one, EventKind.CLOSED, now, why) for one in sorted(alerts, key=lambda alert: alert.id)]

    def reconsider(self, policies: Policies, now: datetime, why: str) -> list[AlertEvent]:
        """Judge every host anew after rules were changed: an alert that they would not have opened ends at once."""
        for state in self._hosts.values():
            self._refresh(state)  # by the rules that held then
        self.policies = policies
        events: list[AlertEvent] = []
        for state in list(self._hosts.values()):
            status = self._judge(state.snapshot, now)
            events += self._drop_passed(state, status, now, why)
            events += self._look(state, status, now)
        return events

    def _look(self, state: HostState, status: HostStatus, now: datetime) -> list[AlertEvent]:
        seen = self._observe(state, status, now)
        events: list[AlertEvent] = []
        for key in sorted({*state.tracks, *seen.by_key}):
            if key[0] not in seen.judged_at:
                events += self._end(state, key, now, "The rule no longer alerts of this.")
            elif key in state.tracks or len(state.tracks) < MAX_TRACKS:
                events += self._follow(state, key, seen, now)
        _drop_oldest(state.tracks)
        # Of an offline host the board says so once more, or the opposite, and never that nothing has changed.
        is_online = status.status is not Status.OFFLINE
        state.is_settled = is_online and all(is_settled(one, seen.find(key)) for key, one in state.tracks.items())
        state.looked_at = now
        state.due_at = self._due(state, status, seen, now)
        self._queue(state)
        return events

    def _refresh(self, state: HostState) -> None:
        """Let the open alerts have the values of the verdicts that were only kept."""
        kept, state.kept = state.kept, None
        if kept is None or not state.has_alerts:
            return
        seen = self._observe(state, kept.read(), kept.at)
        state.tracks |= {key: with_values(track, seen.find(key)) for key, track in state.tracks.items()}

    def _observe(self, state: HostState, status: HostStatus, now: datetime) -> Seen:
        watched = {cause for cause, _ in state.tracks}
        return observe(state.snapshot, status, self.policies, watched=watched, now=now, started_at=self._started_at)

    def _follow(self, state: HostState, key: Key, seen: Seen, now: datetime) -> Iterator[AlertEvent]:
        observation = seen.find(key)
        policy = self._policy(state, observation)
        known = state.tracks.get(key, Track())
        track, change = step(known, observation, policy, now, host_id=state.snapshot.host.id, new_id=self._next_id)
        if track.is_idle:
            state.tracks.pop(key, None)
        else:
            state.tracks[key] = track
        if change is not None:
            yield self._told(change, now, is_new=known.alert is None)

    def _policy(self, state: HostState, seen: Observation) -> Policy:
        return seen.policy or self.policies.find(seen.rule, state.snapshot.host.name, seen.subject)

    def _told(self, change: Change, now: datetime, is_new: bool) -> AlertEvent:
        if is_new:
            self._next_id += 1
        return event_of(change.alert, change.kind, now, change.detail)

    def _drop_passed(self, state: HostState, status: HostStatus, now: datetime, why: str) -> Iterator[AlertEvent]:
        seen = self._observe(state, status, now)
        for key in sorted(state.tracks):
            if key[0] in seen.judged_at and _is_passed(seen.find(key), state.tracks[key]):
                yield from self._end(state, key, now, why)

    def _end(self, state: HostState, key: Key, now: datetime, why: str) -> Iterator[AlertEvent]:
        track = state.tracks.pop(key, None)
        if track is not None and track.alert is not None:
            yield event_of(track.alert, EventKind.CLOSED, now, why)

    def _due(self, state: HostState, status: HostStatus, seen: Seen, now: datetime) -> datetime | None:
        """Return when time alone may change something on the host; what is past already waits for a sample."""
        moments = [seen.waits_until]
        if status.valid_until is not None:
            moments.append(status.valid_until + INSTANT)
        for key, track in state.tracks.items():
            moments.append(due_at(track, self._policy(state, seen.find(key))))
        return min((one for one in moments if one is not None and one > now), default=None)

    def _queue(self, state: HostState) -> None:
        """Wake the engine when the host is due; one timer for each host, moved only when it comes too late."""
        due = state.due_at
        if due is None or (state.queued_at is not None and state.queued_at <= due):
            return
        state.queued_at = due
        heapq.heappush(self._timers, (due, state.snapshot.host.id))


def _is_passed(found: Observation, track: Track) -> bool:
    """Tell whether it passes by the rules of now; what clears it counts only where its threshold is the one it was."""
    is_edited = track.alert is not None and found.threshold != track.alert.seen.threshold
    return found.severity is None and found.verdict.value == "ok" and (found.is_clear or is_edited)


def _drop_oldest(tracks: dict[Key, Track]) -> None:
    """Forget the tracks beyond MAX_QUIET that changed longest ago, of those that nothing else is known of."""
    if len(tracks) <= MAX_QUIET:
        return
    quiet = [(track.flips[-1:], key) for key, track in tracks.items() if track.alert is None and track.rising is None]
    for _, key in sorted(quiet, reverse=True)[MAX_QUIET:]:
        del tracks[key]
