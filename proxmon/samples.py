"""Samples: what a host said about itself at one moment, read from an agent's message and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct

from proxmon.errors import SampleError, TooLargeError, UnreadableError
from proxmon.limits import WORD_CHARACTERS
from proxmon.payload import PAYLOAD_TYPES, FastPayload, Payload, Section, Tier, list_sections
from proxmon.rawjson import MAX_DEPTH, MAX_DIGITS, has_long_number, is_deep
from proxmon.vdevs import walk_vdevs

# Without `sent_at` a late sample and a wrong clock look alike. Clocks drift by minutes, a spool holds hours.
PLAUSIBLE_DRIFT = timedelta(minutes=5)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
DEFAULT_INTERVALS = {Tier.FAST: 10.0, Tier.MEDIUM: 300.0, Tier.SLOW: 3600.0}
MAX_INTERVAL_SECONDS = 30 * 86_400.0
MAX_SAMPLES = 10_000  # more than a day of all tiers; the store takes some seconds for them
MOST_PARTS = 10_000  # of all pools together: each list alone may be long, and a tree may have many
FAILURE_WORDS = (b'"error"', b'"incomplete"')
MAX_OTHER_SECTIONS, MAX_NAME_CHARACTERS = 100, 64
# What reading a payload raises where it is no such payload, or is nested more deeply than the stack allows.
UNREADABLE: tuple[type[Exception], ...] = (msgspec.MsgspecError, RecursionError)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one tier of one host.

    ``collected_at`` is the agent's clock and names the sample; ``received_at`` is the server's clock;
    ``observed_at`` is when it was collected by the server's clock and orders samples;
    ``fresh_at`` is the moment from which its freshness is counted.
    ``clock_offset_seconds`` is the agent's clock minus the server's when the message was sent.
    ``raw`` is the payload's JSON as it came, ``payload`` its typed form; ``other_sections`` are those that we do not
    know and that could not be collected, or not wholly.
    """

    host_id: int
    tier: Tier
    collected_at: datetime
    received_at: datetime
    observed_at: datetime
    fresh_at: datetime
    interval_seconds: float
    clock_offset_seconds: float
    agent_version: str
    raw: bytes
    payload: Payload
    other_sections: Mapping[str, Section] = field(default_factory=dict[str, Section])

    def list_sections(self) -> list[tuple[str, Section]]:
        """List the sections by name: those that we know, then others that failed."""
        return [*list_sections(self.payload), *self.other_sections.items()]

    @property
    def key(self) -> tuple[int, Tier, datetime]:
        """Return what makes two samples the same one."""
        return (self.host_id, self.tier, self.collected_at)


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of samples that were to be stored: ``is_new`` says it for each of them."""

    stored: int
    duplicates: int
    is_new: tuple[bool, ...]


class WireSample(Struct, frozen=True):
    """A sample as it stands in a message."""

    tier: Tier
    collected_at: str
    payload: Raw


class WireMessage(Struct, frozen=True):
    """An agent's message; ``intervals_s`` and ``sent_at`` are sent by our agent and may be missing."""

    samples: tuple[WireSample, ...]
    agent_version: str | None = None
    interval_s: float | None = None
    intervals_s: dict[str, float | None] | None = None
    sent_at: str | None = None


# Made here, before there are threads: msgspec works out how to read a type when it meets it first, and measured,
# two threads that meet it together end the process with a segmentation fault.
_MESSAGE = msgspec.json.Decoder(WireMessage)
_PAYLOADS: dict[Tier, msgspec.json.Decoder[Payload]] = {
    tier: msgspec.json.Decoder(kind) for tier, kind in PAYLOAD_TYPES.items()
}
_ANYTHING = msgspec.json.Decoder(dict[str, Any])
_SECTIONS, _SECTION = msgspec.json.Decoder(dict[str, Raw]), msgspec.json.Decoder(Section)


@dataclass(frozen=True, slots=True)
class Clocks:
    """How the agent's clock stands to the server's for one message."""

    offset: timedelta
    is_known: bool

    def observed(self, collected_at: datetime, received_at: datetime) -> datetime:
        """Return when a sample was collected, by the server's clock and never after it was received."""
        shift = self.offset if self.is_known else timedelta(0)
        return min(collected_at - shift, received_at)

    def fresh(self, collected_at: datetime, received_at: datetime) -> datetime:
        """Return from when a sample's freshness counts: a small unknown offset is taken for a wrong clock."""
        shift = self.offset if self.is_known or abs(self.offset) <= PLAUSIBLE_DRIFT else timedelta(0)
        return min(collected_at - shift, received_at)


def read_message(body: bytes, host_id: int, received_at: datetime) -> list[Sample]:
    """Read the body of an agent's message.

    Raises:
        UnreadableError: the body is no JSON object of the message's form.
        SampleError: a field of a sample is wrong; the text names sample and field.
        TooLargeError: it has too many samples.
    """
    message = _decode(body)
    if len(message.samples) > MAX_SAMPLES:
        raise TooLargeError(f"Send less in one message: at most {MAX_SAMPLES} samples.")
    collected = [_collected_at(index, wire) for index, wire in enumerate(message.samples)]
    clocks = _clocks(message, collected, received_at)
    intervals = _intervals(message)
    return [
        Sample(
            host_id=host_id,
            tier=wire.tier,
            collected_at=at,
            received_at=received_at,
            observed_at=clocks.observed(at, received_at),
            fresh_at=clocks.fresh(at, received_at),
            interval_seconds=intervals[wire.tier],
            clock_offset_seconds=clocks.offset.total_seconds(),
            agent_version=(message.agent_version or "")[:64],
            raw=bytes(wire.payload),
            payload=_payload(index, wire),
            other_sections=read_other_sections(wire.tier, bytes(wire.payload)),
        )
        for index, (wire, at) in enumerate(zip(message.samples, collected, strict=True))
    ]


def fresh_moment(collected_at: datetime, received_at: datetime, observed_at: datetime, offset: float) -> datetime:
    """Return from when the freshness of a stored sample counts, as ``Clocks.fresh`` said when it came."""
    shift = timedelta(seconds=offset)
    return min(collected_at - shift, received_at) if abs(shift) <= PLAUSIBLE_DRIFT else observed_at


def read_payload(tier: Tier, raw: bytes) -> Payload:
    """Return the typed form of a stored payload; raises one of UNREADABLE where a value has the wrong type.

    Texts had no limit once: of a payload of then, those that are too long are cut.
    """
    try:
        return _PAYLOADS[tier].decode(raw)
    except msgspec.ValidationError:
        return msgspec.convert(_with_short_texts(_ANYTHING.decode(raw)), PAYLOAD_TYPES[tier])


def _with_short_texts(value: dict[str, Any]) -> dict[str, Any]:
    """Return what was read of JSON with every text cut to what any of them may have, in place."""
    waiting: list[Any] = [value]
    while waiting:  # no recursion: there may be less left of the stack than when it came
        inner = waiting.pop()
        for key in cast("Iterable[Any]", inner if isinstance(inner, dict) else range(len(inner))):
            if isinstance(inner[key], str):
                inner[key] = inner[key][:WORD_CHARACTERS]
            elif isinstance(inner[key], dict | list):
                waiting.append(inner[key])
    return value


def read_other_sections(tier: Tier, raw: bytes) -> dict[str, Section]:
    """Return the sections of a payload that we do not know, as far as they say that something is missing in them."""
    if not any(word in raw for word in FAILURE_WORDS):
        return {}
    known, found = PAYLOAD_TYPES[tier].__struct_encode_fields__, dict[str, Section]()
    for name, section in _SECTIONS.decode(raw).items():
        if name not in known:
            with suppress(msgspec.MsgspecError):
                found[name[:MAX_NAME_CHARACTERS]] = _SECTION.decode(section)
    failed = {name: one for name, one in found.items() if one.error is not None or one.incomplete is not None}
    return dict(islice(failed.items(), MAX_OTHER_SECTIONS))


def parse_time(text: str) -> datetime:
    """Return the UTC moment of an ISO 8601 text; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"{text} is not between the years 2000 and 2100")
    return moment


def check_over(at: datetime, now: datetime) -> datetime:
    """Return a moment of the past. Raises SampleError when it has not come yet."""
    if at > now:
        raise SampleError(f"Ask for a moment that is over: {at:%Y-%m-%dT%H:%M:%SZ} has not come yet.")
    return at


def _decode(body: bytes) -> WireMessage:
    if not body.lstrip().startswith(b"{"):
        raise UnreadableError("Send the message as one JSON object.")
    try:
        body.decode()
        return _MESSAGE.decode(body)
    except msgspec.ValidationError as error:
        raise SampleError(f"Correct the message: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"Send the message as UTF-8 JSON: {error}.") from error
    except RecursionError as error:
        raise UnreadableError("Send JSON that is nested less deeply.") from error


def _collected_at(index: int, wire: WireSample) -> datetime:
    try:
        return parse_time(wire.collected_at)
    except (ValueError, OverflowError) as error:
        raise SampleError(
            f"Correct samples[{index}].collected_at: send an ISO 8601 time such as 2026-11-22T20:00:00Z ({error})."
        ) from error


def _payload(index: int, wire: WireSample) -> Payload:
    where, raw = f"samples[{index}].payload", bytes(wire.payload)
    try:
        payload = _PAYLOADS[wire.tier].decode(raw)
    except msgspec.ValidationError as error:
        raise SampleError(f"Correct {where} of tier {wire.tier}: {error}.") from error
    except msgspec.DecodeError as error:
        raise UnreadableError(f"Send {where} as JSON: {error}.") from error
    except RecursionError as error:
        raise UnreadableError(f"Send {where} nested less deeply.") from error
    if len(raw) > MOST_PARTS and _count_parts(payload) > MOST_PARTS:
        raise SampleError(
            f"Correct {where} of tier {wire.tier}: its pools have more than {MOST_PARTS} vdevs and rebuilds."
        )
    if is_deep(raw):
        raise UnreadableError(f"Send {where} nested less deeply: at most {MAX_DEPTH} levels.")
    if has_long_number(raw):
        raise UnreadableError(f"Send {where} with shorter numbers: at most {MAX_DIGITS} digits.")
    return payload


def _count_parts(payload: Payload) -> int:
    """Return how many vdevs and rebuilds the pools have, which are on a page of their host one by one."""
    section = payload.zfs_pools if isinstance(payload, FastPayload) else None
    pools = (section and section.pools) or ()
    return sum(len(pool.rebuilds or ()) + sum(1 for _ in walk_vdevs(pool.vdevs)) for pool in pools)


def _clocks(message: WireMessage, collected: list[datetime], received_at: datetime) -> Clocks:
    if message.sent_at is not None:
        try:
            return Clocks(parse_time(message.sent_at) - received_at, is_known=True)
        except (ValueError, OverflowError) as error:
            raise SampleError(f"Correct sent_at: send an ISO 8601 time ({error}).") from error
    newest = max(collected, default=received_at)
    return Clocks(newest - received_at, is_known=False)


def _intervals(message: WireMessage) -> dict[Tier, float]:
    intervals = dict(DEFAULT_INTERVALS)
    if message.interval_s is not None:
        intervals[Tier.FAST] = _interval("interval_s", message.interval_s)
    for name, seconds in (message.intervals_s or {}).items():
        if name in intervals and seconds is not None:
            intervals[Tier(name)] = _interval(f"intervals_s.{name}", seconds)
    return intervals


def _interval(name: str, seconds: float) -> float:
    if not 0 < seconds <= MAX_INTERVAL_SECONDS:
        raise SampleError(f"Correct {name}: send the seconds between two samples, more than 0 and at most 30 days.")
    return seconds
