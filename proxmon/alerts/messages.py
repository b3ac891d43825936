"""What a message says: one alert in full, or many as a digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from proxmon.alerts.model import SERVER_ID, Severity
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.tellings import Owed
from proxmon.rules.words import quantity, shortened, span

SERVER = "proxmon"
# Most services take 2,000 characters: three alerts in full stay below that, and ten with since when and a link. More
# than that become two or three messages there; what would be more still is counted.
MOST_WHOLE, MOST_DATED, MOST_CHARACTERS = 3, 10, 5_000
MOST_WORDS = 200  # of one alert among many
MOST_NAMED = 5
REPETITION = "This may be a repetition: it is not known whether an earlier attempt arrived."
NO_LINKS = "Set PROXMON_PUBLIC_URL on the server, and messages have links."


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is sent, in plain text; ``severity`` is the worst that it tells of, None when all is over."""

    title: str
    body: str
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class Item:
    """One alert that a message tells of; ``host`` is empty when it is about the server or a deleted host."""

    record: AlertRecord
    host: str
    owed: Owed
    is_repetition: bool = False

    @property
    def place(self) -> str:
        """Return where it is."""
        return plain(self.host) or (SERVER if self.record.host_id == SERVER_ID else "a deleted host")

    @property
    def what(self) -> str:
        """Return what it is, in one line; for how long a host is offline is said elsewhere."""
        newest = self.record.newest
        if newest.rule != "offline":
            return plain(newest.message)
        why = plain(newest.lasting)
        return f"Offline: {why[:1].lower()}{why[1:]}"

    @property
    def word(self) -> str:
        """Return how it is."""
        return "ended" if self.owed is Owed.END else self.owed.value


@dataclass(frozen=True, slots=True)
class Composer:
    """Words for alerts; without ``public_url`` there are no links. ``sign`` makes the token of an alert's link."""

    public_url: str
    sign: Callable[[int], str]

    def compose(self, items: Sequence[Item], now: datetime) -> Message:
        """Return one message for all items, the worst first."""
        ordered = sorted(items, key=lambda item: (_ORDER[item.owed], item.record.id))
        one = ordered[0]
        lines = self._few(ordered, now) if len(ordered) <= MOST_WHOLE else self._digest(ordered, now)
        notes = [REPETITION] if any(item.is_repetition for item in ordered) else []
        notes += [] if self.public_url else [NO_LINKS]
        title = f"[{one.word}] {one.place}: {one.what}" if len(ordered) == 1 else digest_title(ordered)
        worst = None if one.owed is Owed.END else Severity(one.owed.value)
        return Message(title, "\n".join([*lines, *(["", *notes] if notes else [])]), worst)

    def _few(self, items: Sequence[Item], now: datetime) -> Iterator[str]:
        for item in items:
            if item is not items[0]:
                yield ""
            if len(items) > 1:
                yield f"[{item.word}] {item.place}"
            yield from self._whole(item, now)

    def _whole(self, item: Item, now: datetime) -> Iterator[str]:
        record, newest = item.record, item.record.newest
        yield f"{item.what}."
        yield f"Host: {item.place}"
        yield f"Rule: {newest.rule}" + (f", {plain(newest.subject)}" if newest.subject else "")
        yield _since(record, now)
        if item.owed is Owed.END and record.events[-1].detail:
            yield f"Ended: {plain(record.events[-1].detail)}"
        if newest.value is not None and newest.rule != "offline":
            yield f"Measured: {_measured(record)}"
        if newest.threshold:
            yield f"Threshold: {plain(newest.threshold)}"
        if item.owed is not Owed.END and newest.clears_when:
            yield f"What helps: {plain(newest.clears_when)}"
        if record.is_flapping:
            yield "It changes again and again; nothing more is said until it is steady."
        yield from self._links(item)

    def _digest(self, items: Sequence[Item], now: datetime) -> Iterator[str]:
        room = MOST_CHARACTERS
        for number, item in enumerate(items):
            lines = list(self._line(item, now, is_dated=number < MOST_DATED))
            room -= sum(map(len, lines))
            if room < 0:
                yield f"… and {len(items) - number} more."
                break
            yield from lines
        if self.public_url:
            yield f"All alerts: {self.public_url}/alerts"

    def _line(self, item: Item, now: datetime, *, is_dated: bool) -> Iterator[str]:
        yield f"[{item.word}] {item.place}: {shortened(item.what, MOST_WORDS)}"
        if is_dated:
            yield f"  {_since(item.record, now)}"
        if self.public_url:
            yield f"  {self._page(item) or f'{self.public_url}/alerts'}"

    def _page(self, item: Item) -> str:
        """Return the address of the host's page at the moment of the alert; empty where there is no host."""
        # The moment's second is over by then, so that the page knows of what happened in it.
        at = item.record.newest.happened_at + timedelta(seconds=1)
        return f"{self.public_url}/hosts/{quote(item.host)}?at={at:%Y-%m-%dT%H:%M:%SZ}" if item.host else ""

    def _links(self, item: Item) -> Iterator[str]:
        if not self.public_url:
            return
        if item.host:
            yield f"The host at that moment: {self._page(item)}"
        if item.owed is not Owed.END:
            yield f"Acknowledge: {self.public_url}/acknowledge/{self.sign(item.record.id)}"


def digest_title(items: Sequence[Item]) -> str:
    """Return the title of a message about several alerts."""
    if all(item.record.newest.rule == "offline" for item in items) and len({item.owed for item in items}) == 1:
        names = [item.place for item in items]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return f"[{items[0].word}] {len(names)} hosts offline: {', '.join(names[:MOST_NAMED])}{more}"
    counts = [(sum(item.word == word for item in items), word) for word in ("critical", "warning", "ended")]
    return f"{len(items)} alerts: " + ", ".join(f"{count} {word}" for count, word in counts if count)


def trial_message(channel: str, public_url: str) -> Message:
    """Return what the test button sends."""
    where = f" at {public_url}" if public_url else ""
    return Message("[test] proxmon", f"This is a test of the channel {channel} of proxmon{where}. All is well.", None)


def plain(text: str) -> str:
    """Return text of others in one line: no header, mark-up or call to everybody begins in it."""
    return "".join(char if char.isprintable() else " " for char in text).replace("@", "@\u200b")


def _since(record: AlertRecord, now: datetime) -> str:
    lasted = span(((record.closed_at or now) - record.began_at).total_seconds())
    began = f"{record.began_at:%Y-%m-%d %H:%M:%S} UTC"
    if record.closed_at is None:
        return f"Since: {began} ({lasted})"
    return f"From {began} to {record.closed_at:%Y-%m-%d %H:%M:%S} UTC ({lasted})"


def _measured(record: AlertRecord) -> str:
    value, unit = record.newest.value, record.newest.unit
    return f"{plain(value)} {unit}".strip() if isinstance(value, str) else quantity(value or 0.0, unit)


_ORDER = {Owed.CRITICAL: 0, Owed.WARNING: 1, Owed.END: 2, Owed.NOTHING: 3}
