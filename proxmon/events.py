"""Events: what happened to a host and when, and the state that a host's events add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from proxmon.findings import SEVERITY, Finding, Status, Verdict


class EventKind(StrEnum):
    """What happened."""

    ADDED = "added"
    ROTATED = "rotated"
    GOODBYE = "goodbye"
    DELETED = "deleted"
    ONLINE = "online"
    OFFLINE = "offline"
    STATUS = "status"
    FINDING = "finding"
    SCRUB = "scrub"
    RESILVER = "resilver"
    AGENT = "agent"
    GUEST_APPEARED = "guest_appeared"
    GUEST_VANISHED = "guest_vanished"
    GUEST_MOVED = "guest_moved"
    GUEST_ADDRESS = "guest_address"


STATUS_KINDS = frozenset({EventKind.ONLINE, EventKind.OFFLINE, EventKind.STATUS})
# Administrators' doings are stored when they are done; the recorder only tells of them.
REGISTRY_KINDS = frozenset({EventKind.ADDED, EventKind.ROTATED, EventKind.GOODBYE, EventKind.DELETED})
# What can be asked for by one word, beside the kinds themselves.
KIND_GROUPS: dict[str, frozenset[EventKind]] = {
    "statuses": STATUS_KINDS,
    "findings": frozenset({EventKind.FINDING}),
    "scrubs": frozenset({EventKind.SCRUB, EventKind.RESILVER}),
    "guests": frozenset(kind for kind in EventKind if kind.startswith("guest_")),
    "hosts": REGISTRY_KINDS | {EventKind.AGENT},
}


# Characters of any text of an event. Longer than the longest name, so that what a subject is called is never cut.
MAX_CHARACTERS = 2_000
# Subjects of each rule that pass or are gone, of which is known since when: a host that names others in each sample
# must not cost more every day. They count as ok, known or not.
QUIET_SUBJECTS = 1_000
QUIET = (None, Verdict.OK.value)


def bound_texts(record: object, names: Iterable[str]) -> None:
    """Cut the texts of a frozen record that is just being made."""
    for name in names:
        text = getattr(record, name)
        if isinstance(text, str) and len(text) > MAX_CHARACTERS:
            object.__setattr__(record, name, f"{text[: MAX_CHARACTERS - 1]}…")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a host.

    ``happened_at`` is when, ``recorded_at`` when the server got to know of it; both by the server's clock.
    ``rule`` is a finding's; ``subject`` is a pool, a guest such as ``qemu/100``, or what a finding is about.
    ``was`` and ``became`` are a status, a verdict, a scan's state, a version, a name, addresses or hosts, as the kind
    has it; None is nothing. ``started_at`` is when what ended now had begun: the last status, a finding's last
    verdict, a scan; for ``offline`` it is when the host was last heard of. A text beyond MAX_CHARACTERS is cut.
    """

    host_id: int
    happened_at: datetime
    kind: EventKind
    rule: str = ""
    subject: str = ""
    was: str | None = None
    became: str | None = None
    message: str = ""
    started_at: datetime | None = None
    recorded_at: datetime | None = None
    host: str = ""

    def __post_init__(self) -> None:
        bound_texts(self, ("rule", "subject", "was", "became", "message"))

    @property
    def known_at(self) -> datetime:
        """Return when the server got to know of it."""
        return self.recorded_at or self.happened_at

    @property
    def key(self) -> tuple[int, datetime, EventKind, str, str]:
        """Return what makes two events the same one."""
        return (self.host_id, self.happened_at, self.kind, self.rule, self.subject)

    @property
    def duration_seconds(self) -> float | None:
        """Return how long what ended now had lasted; None where nothing did."""
        if self.started_at is None or self.kind is EventKind.OFFLINE:
            return None
        return max(0.0, (self.happened_at - self.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class EventRequest:
    """Which events are asked for, the newest first.

    ``until`` is exclusive, ``since`` is not. Of the last moment all are listed, so that ``until`` leads on from there
    and none is left out: the answer may be some longer than ``limit``. ``known_at`` leaves out what was not known then.
    """

    host: str | None = None
    kinds: frozenset[EventKind] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    known_at: datetime | None = None
    limit: int = 100
    is_oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class StepRequest:
    """Which step through the recorded moments is asked for: to the first after ``at``, or to the last up to ``at``."""

    at: datetime
    is_forward: bool
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The verdict on one subject of a rule as it was recorded, since when and why; None is not judged any more."""

    verdict: str | None
    since: datetime
    message: str = ""


def verdict_of(mark: Mark | None) -> str:
    """Return the verdict on a subject: ok where no other was recorded."""
    return Verdict.OK.value if mark is None or mark.verdict is None else mark.verdict


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a host's events say of it at a moment.

    ``status`` is None where none was recorded yet; ``since`` is when it began. ``online_since`` is when the host last
    came online, ``judged_since`` when it first did. ``verdicts`` are by rule and subject; what is missing never failed,
    or was well or gone before the last QUIET_SUBJECTS that are so now.
    """

    status: Status | None = None
    since: datetime | None = None
    online_since: datetime | None = None
    judged_since: datetime | None = None
    verdicts: Mapping[tuple[str, str], Mark] = field(default_factory=dict[tuple[str, str], Mark])

    def with_events(self, events: Iterable[Event]) -> Recorded:
        """Return the state after more events, in their order."""
        now, verdicts = self, dict(self.verdicts)
        for event in events:
            if event.kind in STATUS_KINDS:
                now = now._with_status(event)
            elif event.kind is EventKind.FINDING:
                verdicts[event.rule, event.subject] = Mark(event.became, event.happened_at, event.message)
        return replace(now, verdicts=_without_oldest(verdicts))

    def verdict(self, rule: str, subject: str) -> str:
        """Return the verdict on a subject: ok where no other was recorded."""
        return verdict_of(self.verdicts.get((rule, subject)))

    def find_worst(self, rule: str) -> Mark | None:
        """Return the worst verdict that stands recorded on any subject of a rule; None where none was.

        A rule that cannot be judged at all leaves what was recorded of its subjects as it is, and is unknown itself.
        """
        blind = self.verdicts.get((rule, ""))
        if blind is not None and blind.verdict == Verdict.UNKNOWN:
            return blind
        standing = [mark for (name, _), mark in self.verdicts.items() if name == rule and mark.verdict]
        return min(standing, key=lambda mark: SEVERITY[Verdict(mark.verdict)], default=None)

    def find_since(self, finding: Finding) -> datetime | None:
        """Return since when a finding has its verdict; None where that was not recorded."""
        if finding.rule == "offline" and finding.verdict is Verdict.OFFLINE:
            # Just after the server's start a host may be silent that is not recorded as offline yet.
            return self.since if self.status is Status.OFFLINE else None
        if finding.rule == "offline":
            return self.online_since
        if self.status is Status.OFFLINE:
            return self.since
        marks = [mark for (rule, _), mark in self.verdicts.items() if rule == finding.rule]
        if finding.verdict is Verdict.OK:
            return max((mark.since for mark in marks), default=self.judged_since)
        return min((mark.since for mark in marks if mark.verdict == finding.verdict), default=self.judged_since)

    def _with_status(self, event: Event) -> Recorded:
        status, at = Status(event.became or Status.OFFLINE), event.happened_at
        if status is Status.OFFLINE:
            return replace(self, status=status, since=at)
        is_back = self.status in (Status.OFFLINE, None)
        return replace(
            self,
            status=status,
            since=at,
            online_since=at if is_back else self.online_since,
            judged_since=self.judged_since or at,
        )


def _without_oldest(verdicts: dict[tuple[str, str], Mark]) -> dict[tuple[str, str], Mark]:
    """Leave out the quiet subjects of each rule beyond the newest, as the store does that is asked for them."""
    if len(verdicts) <= QUIET_SUBJECTS:
        return verdicts
    quiet: dict[str, list[str]] = {}
    for (rule, subject), mark in verdicts.items():
        if mark.verdict in QUIET:
            quiet.setdefault(rule, []).append(subject)
    for rule, subjects in quiet.items():
        if len(subjects) > QUIET_SUBJECTS:
            ordered = sorted(sorted(subjects), key=lambda one: verdicts[rule, one].since, reverse=True)
            for subject in ordered[QUIET_SUBJECTS:]:
                del verdicts[rule, subject]
    return verdicts
