"""What a channel was told of an alert and is still owed: a pure function of the alert and of what was before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from proxmon.alerts.channels import Channel
from proxmon.alerts.model import RANKS, Severity
from proxmon.alerts.records import AlertRecord


class Owed(StrEnum):
    """What a channel is still to be told of an alert."""

    NOTHING = ""
    WARNING = "warning"
    CRITICAL = "critical"
    END = "end"


@dataclass(frozen=True, slots=True)
class Telling:
    """One alert at one channel.

    ``told`` is the severity that the channel knows of, None before the first message. ``attempts`` counts those whose
    end is not known to have been good: after one, a message may be a repetition.
    """

    channel_id: int
    alert_id: int
    told: Severity | None = None
    owed: Owed = Owed.NOTHING
    owed_since: datetime | None = None
    attempts: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Return channel and alert."""
        return self.channel_id, self.alert_id

    @property
    def is_settled(self) -> bool:
        """Tell whether there is nothing to remember."""
        return self.told is None and self.owed is Owed.NOTHING and not self.attempts


def review(
    telling: Telling, channel: Channel, record: AlertRecord, host: str, now: datetime, *, is_quiet: bool, is_new: bool
) -> Telling:
    """Return what the channel is owed now.

    ``is_quiet`` says that somebody knows of the alert or silenced it, ``is_new`` that the alert was never looked at:
    also one that is over by then is told.
    """
    if record.is_open:
        return _review_open(telling, channel, record, host, now, is_quiet=is_quiet)
    if telling.owed is Owed.END:
        return telling
    if telling.is_settled:
        is_owed = is_new and not is_quiet and channel.wants(record.worst, host)
        return _owe(telling, Owed.END, now) if is_owed else telling
    # What is still owed is told with its end, in one message.
    is_owed = channel.tells_ends or telling.owed is not Owed.NOTHING
    return _owe(telling, Owed.END, now) if is_owed else _settled(telling)


def delivered(telling: Telling, sent: Owed) -> Telling:
    """Return the telling after a message that said what was owed; what came up meanwhile stays owed."""
    if sent is Owed.END:
        return _settled(telling)
    told = replace(telling, told=Severity(sent.value), attempts=0)
    return replace(told, owed=Owed.NOTHING, owed_since=None) if telling.owed is sent else told


def _review_open(
    telling: Telling, channel: Channel, record: AlertRecord, host: str, now: datetime, *, is_quiet: bool
) -> Telling:
    if is_quiet or not channel.wants(record.severity, host):
        return replace(telling, owed=Owed.NOTHING, owed_since=None)
    if RANKS[record.severity] > RANKS[telling.told]:
        return _owe(telling, Owed(record.severity.value), now)
    if telling.told is not None and RANKS[record.severity] < RANKS[telling.told]:
        # Easing is not told; but becoming worse again is.
        return replace(telling, told=record.severity)
    return telling


def _owe(telling: Telling, owed: Owed, now: datetime) -> Telling:
    if telling.owed is owed:
        return telling
    return replace(telling, owed=owed, owed_since=telling.owed_since or now)


def _settled(telling: Telling) -> Telling:
    return replace(telling, told=None, owed=Owed.NOTHING, owed_since=None, attempts=0)
