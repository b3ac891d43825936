"""Events as the rows that a browser draws: what happened, in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from dashboards.components import Message
from dashboards.formats import duration
from dashboards.wording import rule_label
from proxmon.events import KIND_GROUPS, STATUS_KINDS, Event, EventKind
from proxmon.findings import Status, Verdict

GROUP_OF = {kind: group for group, kinds in KIND_GROUPS.items() for kind in kinds}
JUDGED_KINDS = STATUS_KINDS | {EventKind.FINDING}
GOODBYES = {"reboot": "Host restarts", "shutdown": "Host shuts down", "upgrade": "Agent stopped for its upgrade"}
GUEST_TYPES = {"qemu": "VM", "lxc": "CT"}


class Words(NamedTuple):
    """What happened in a few words, more about it, and the status or verdict that it led to."""

    title: str
    more: str = ""
    mark: str = ""


def event_row(event: Event) -> Message:
    """Return an event as a row; ``shown_at`` is the first whole second at which a page of the past knows of it."""
    words = SENTENCES[event.kind](event)
    return {
        "key": "/".join(str(part) for part in (event.host_id, event.happened_at.timestamp(), *event.key[2:])),
        "at": event.happened_at.timestamp(),
        "shown_at": page_moment(event.known_at),
        "host": event.host,
        "kind": event.kind.value,
        "group": GROUP_OF[event.kind],
        "title": words.title,
        "words": words.more,
        "mark": words.mark,
        "was": _was(event),
    }


def whole_second(at: datetime) -> datetime:
    """Return the first whole second that is not before a moment: the address of a page knows no finer ones."""
    return datetime.fromtimestamp(math.ceil(at.timestamp()), UTC)


def page_moment(at: datetime) -> str:
    """Return a moment as an address has it that shows the page of then."""
    return f"{whole_second(at):%Y-%m-%dT%H:%M:%SZ}"


def _status(event: Event) -> Words:
    return Words(f"Now {event.became}", event.message, event.became or "")


def _online(event: Event) -> Words:
    title = "Connected" if event.started_at is None else "Back online"
    is_well = event.became == Status.OK
    return Words(title if is_well else f"{title}, {event.became}", "" if is_well else event.message, event.became or "")


def _offline(event: Event) -> Words:
    # The sentence was made when it happened, a moment after the agent was stopped.
    return Words("Offline", re.sub(r" \d+ s ago$", "", event.message), Status.OFFLINE.value)


def _finding(event: Event) -> Words:
    verdict = event.became or ("over" if event.subject else "known again")
    return Words(f"{rule_label(event.rule)}: {verdict}", event.message, event.became or Verdict.UNKNOWN.value)


def _scan(event: Event) -> Words:
    return Words(event.message, f"on {event.subject}")


def _agent(event: Event) -> Words:
    return Words("Agent replaced", _change(event))


def _guest(event: Event) -> Words:
    what = {
        EventKind.GUEST_APPEARED: "appeared",
        EventKind.GUEST_VANISHED: "is gone",
        EventKind.GUEST_MOVED: f"moved from {event.was} to {event.became}",
        EventKind.GUEST_ADDRESS: "has other addresses",
    }[event.kind]
    change = [_change(event)] if event.kind is EventKind.GUEST_ADDRESS else []
    guest_type, _, vmid = event.subject.partition("/")
    named = f"{GUEST_TYPES.get(guest_type, guest_type)} {vmid}".strip()
    return Words(f"{event.message or named} {what}", " · ".join([named, *change]))


def _change(event: Event) -> str:
    return f"{event.was or 'none'} → {event.became or 'none'}"


def _was(event: Event) -> str:
    """Say what ended by the event and how long it had lasted; a scan's own sentence tells that of the scan."""
    lasted = event.duration_seconds
    is_told = event.kind in JUDGED_KINDS and event.was and lasted is not None and lasted >= 1
    return f"was {event.was} for {duration(lasted)}" if is_told else ""


def _goodbye(event: Event) -> Words:
    return Words(GOODBYES.get(event.message, "Agent stopped"))


def _fixed(title: str) -> Callable[[Event], Words]:
    return lambda event: Words(title, event.message)


SENTENCES: dict[EventKind, Callable[[Event], Words]] = {
    EventKind.ADDED: _fixed("Host added"),
    EventKind.ROTATED: _fixed("Token rotated"),
    EventKind.GOODBYE: _goodbye,
    EventKind.DELETED: _fixed("Host deleted"),
    EventKind.ONLINE: _online,
    EventKind.OFFLINE: _offline,
    EventKind.STATUS: _status,
    EventKind.FINDING: _finding,
    EventKind.SCRUB: _scan,
    EventKind.RESILVER: _scan,
    EventKind.AGENT: _agent,
    EventKind.GUEST_APPEARED: _guest,
    EventKind.GUEST_VANISHED: _guest,
    EventKind.GUEST_MOVED: _guest,
    EventKind.GUEST_ADDRESS: _guest,
}
