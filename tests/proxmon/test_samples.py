"""Reading an agent's message: clocks, intervals, and errors that name what is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from proxmon.errors import ProxmonError, SampleError, TooLargeError, UnreadableError
from proxmon.limits import REASON_CHARACTERS, WORD_CHARACTERS
from proxmon.payload import PAYLOAD_TYPES, FastPayload, Tier
from proxmon.rawjson import MAX_DEPTH, MAX_DIGITS, is_deep
from proxmon.samples import Sample, parse_time, read_message, read_payload
from tests.builders import NOW, PAYLOADS, a_dataset, a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.servers import ROOT

SECOND = timedelta(seconds=1)


def read(*samples: dict[str, Any], **changes: Any) -> list[Sample]:
    return read_message(a_message(*samples, **changes), host_id=7, received_at=NOW)


def collected(moment: datetime, **changes: Any) -> dict[str, Any]:
    return a_wire_sample(collected_at=iso(moment), **changes)


def test_a_sample_has_its_host_tier_moment_and_payload() -> None:
    (sample,) = read(collected(NOW - SECOND))
    assert sample.key == (7, Tier.FAST, NOW - SECOND)
    assert isinstance(sample.payload, FastPayload)
    assert sample.payload.host is not None
    assert sample.payload.host.load1 == 0.5


def test_the_payload_is_kept_byte_for_byte() -> None:
    body = b'{"samples":[{"tier":"slow","collected_at":"2026-11-22T20:00:00Z","payload":{"x":[ 1.50 ,null]}}]}'
    assert read_message(body, 1, NOW)[0].raw == b'{"x":[ 1.50 ,null]}'


def test_a_live_sample_is_fresh_from_when_it_was_collected() -> None:
    (sample,) = read(collected(NOW - 2 * SECOND), sent_at=iso(NOW))
    assert sample.observed_at == sample.fresh_at == NOW - 2 * SECOND
    assert sample.clock_offset_seconds == 0


def test_a_late_sample_of_an_agent_that_tells_its_clock_is_old_and_the_clock_is_right() -> None:
    (sample,) = read(collected(NOW - timedelta(hours=1)), sent_at=iso(NOW))
    assert sample.fresh_at == sample.observed_at == NOW - timedelta(hours=1)
    assert sample.clock_offset_seconds == 0


def test_a_wrong_clock_is_taken_out_of_the_moment() -> None:
    day_ahead = NOW + timedelta(days=1)
    (sample,) = read(collected(day_ahead - 3 * SECOND), sent_at=iso(day_ahead))
    assert sample.observed_at == sample.fresh_at == NOW - 3 * SECOND
    assert sample.collected_at == day_ahead - 3 * SECOND
    assert sample.clock_offset_seconds == 86_400


def test_without_its_clock_a_small_offset_is_a_wrong_clock_and_a_large_one_a_late_sample() -> None:
    (drifted,) = read(collected(NOW - 120 * SECOND))
    assert (drifted.fresh_at, drifted.clock_offset_seconds) == (NOW, -120)
    (late,) = read(collected(NOW - timedelta(hours=1)))
    assert late.fresh_at == NOW - timedelta(hours=1)


def test_nothing_is_observed_after_it_was_received() -> None:
    (sample,) = read(collected(NOW + timedelta(days=3)))
    assert sample.observed_at == sample.fresh_at == NOW


def test_intervals_come_from_the_message_and_have_defaults() -> None:
    fast, medium, slow = read(
        a_wire_sample("fast"), a_wire_sample("medium"), a_wire_sample("slow"), interval_s=5, intervals_s={"slow": 60}
    )
    assert [one.interval_seconds for one in (fast, medium, slow)] == [5, 300, 60]


def keys_of(value: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Give the path to every key of a payload but those that name a thing."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        if isinstance(key, str) and key not in ("name", "vmid"):
            yield (*above, key)
        yield from keys_of(below, *above, key)


def a_full_payload(tier: Tier) -> dict[str, Any]:
    """Return a payload with every list that the contract names."""
    payload = PAYLOADS[tier]()
    if tier is Tier.FAST:
        return payload | {"zfs_pools": {"pools": [a_pool(rebuilds=[{"state": "scanning"}])]}}
    if tier is Tier.MEDIUM:
        return payload | {"zfs_datasets": {"datasets": [a_dataset()], "unknown_pools": []}}
    return payload


@pytest.mark.parametrize("tier", Tier)
def test_null_stands_for_unknown_in_every_optional_key(tier: Tier) -> None:
    for path in keys_of(a_full_payload(tier)):
        payload: Any = a_full_payload(tier)
        place = reduce(lambda value, key: value[key], path[:-1], payload)
        place[path[-1]] = None
        assert read(a_wire_sample(tier.value, payload=payload)), path


def test_null_stands_for_unknown_in_the_message() -> None:
    changes = {"agent_version": None, "interval_s": None, "intervals_s": {"fast": None}, "sent_at": None}
    (sample,) = read(**changes)
    assert (sample.interval_seconds, sample.agent_version) == (10, "")


MANY_GUESTS, MANY_POOLS = ",".join(['{"vmid": 1}'] * 10_001), ",".join(['{"name": "a"}'] * 1_001)
DEEP, DEEP_TREE = "[" * 5_000 + "]" * 5_000, '[{"name":"b","children":' * 999 + "[]" + "}]" * 999


@pytest.mark.parametrize(
    "payload",
    [
        '{"host": {"load1": NaN}}',
        '{"host": {"load1": -Infinity}}',
        '{"host": {"load1": 1e999}}',
        '{"host": {"load1": 1' + "0" * 5_000 + "}}",
        '{"host": {"load1": "\\ud800"}}',
        '{"x": "\\udc00"}',
        '{"zfs_pools": {"pools": [{"name": "\\ud800"}]}}',
        '{"zfs_pools": {"pools": [{"name": "a", "capacity_percent": -1}]}}',
        '{"zfs_pools": {"pools": [{"name": "a", "redundancy_left": 9223372036854775808}]}}',
        '{"zfs_pools": {"pools": [{"name": "a", "size_bytes": 1e300}]}}',
        f'{{"vms_runtime": {{"vms": [{MANY_GUESTS}]}}}}',
        f'{{"zfs_pools": {{"pools": [{MANY_POOLS}]}}}}',
        f'{{"x": {DEEP}}}',
        f'{{"zfs_pools": {{"pools": [{{"name": "a", "vdevs": {DEEP_TREE}}}]}}}}',
        '{"x": 1, }',
        "[]",
        "null",
        '"fast"',
    ],
)
def test_values_beyond_all_bounds_are_refused(payload: str) -> None:
    body = f'{{"samples":[{{"tier":"fast","collected_at":"2026-11-22T20:00:00Z","payload":{payload}}}]}}'
    with pytest.raises((SampleError, UnreadableError)):
        read_message(body.encode(), 1, NOW)


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    body = (
        b'{"samples":[{"tier":"fast","collected_at":"2026-11-22T20:00:00Z","payload":{"host":{"load1":1,"load1":2}}}]}'
    )
    (sample,) = read_message(body, 1, NOW)
    assert isinstance(sample.payload, FastPayload)
    assert sample.payload.host is not None
    assert sample.payload.host.load1 == 2


def test_too_many_samples_in_one_message_are_refused() -> None:
    with pytest.raises(TooLargeError, match="10000"):
        read(*[a_wire_sample("slow", payload={})] * 10_001)


@pytest.mark.parametrize(
    "moment", ["1969-12-31T23:59:59Z", "1999-12-31T23:59:59Z", "2100-01-02", "9999-12-31T23:59:59Z", ""]
)
def test_a_moment_outside_of_all_clocks_is_refused_and_named(moment: str) -> None:
    with pytest.raises(SampleError, match=r"samples\[0\]\.collected_at"):
        read(a_wire_sample(collected_at=moment))


def test_sections_that_we_do_not_know_are_read_only_as_far_as_they_failed() -> None:
    sections = {"smart": {"error": "no smartctl"}, "ups": {"incomplete": "no load"}, "weather": {"sun": True}}
    (sample,) = read(a_wire_sample("slow", payload=sections | {"host": {"error": "of another tier"}}))
    assert {name: (one.error, one.incomplete) for name, one in sample.other_sections.items()} == {
        "smart": ("no smartctl", None),
        "ups": (None, "no load"),
        "host": ("of another tier", None),
    }


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"interval_s": 0}, "interval_s"),
        ({"interval_s": -5}, "interval_s"),
        ({"interval_s": 1e18}, "interval_s"),
        ({"intervals_s": {"fast": 10**400}}, "intervals_s"),
        ({"interval_s": "10"}, "interval_s"),
        ({"intervals_s": {"medium": -1}}, "intervals_s.medium"),
        ({"sent_at": "now"}, "sent_at"),
        ({"samples": {}}, "samples"),
        ({"agent_version": 3}, "agent_version"),
    ],
)
def test_a_wrong_field_of_the_message_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SampleError, match=named.replace(".", r"\.")):
        read(**changes)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"samples":[]} x', b'{"a":"\xff"}', b'{"samples":"\\ud800"}']
)
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_message(body, 1, NOW)


@pytest.mark.parametrize("deep", [b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
def test_deep_nesting_is_unreadable(deep: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_message(
            b'{"samples":[{"tier":"fast","collected_at":"2026-11-22T20:00:00Z","payload":' + deep + b"}]}", 1, NOW
        )


TEXTS = st.text(st.sampled_from('[]{}"\\a'), max_size=6)
NESTED = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


@given(value=NESTED, text=TEXTS, more=st.integers(-1, 1))
def test_brackets_in_texts_make_a_payload_no_deeper_and_no_flatter(value: Any, text: str, more: int) -> None:
    around = MAX_DEPTH - depth(value) + more
    raw = f"[{json.dumps(text)}, " * around + json.dumps(value) + "]" * around
    assert is_deep(raw.encode()) == (more > 0)


def depth(value: Any) -> int:
    if isinstance(value, str):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


@pytest.mark.parametrize("form", ['{"x": %s}', '{"host": {"x": [1, %s]}}', '{"agent": {"peak_rss_bytes": %s}}'])
def test_a_number_that_no_float_holds_is_unreadable(form: str) -> None:
    for value in ("9" * MAX_DIGITS, f'"{"9" * 5_000}"'):
        assert read_message(message_of(form % value), 1, NOW)
    for count in (MAX_DIGITS + 1, 5_000):
        with pytest.raises(UnreadableError, match="shorter numbers"):
            read_message(message_of(form % ("9" * count)), 1, NOW)


def message_of(payload: str) -> bytes:
    return a_message(a_wire_sample(payload=None)).replace(b'"payload": null', b'"payload": ' + payload.encode())


def test_no_samples_are_no_samples() -> None:
    assert read_message(b'{"samples":[]}', 1, NOW) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T20:00:00Z", NOW),
        ("2026-11-22T21:00:00+01:00", NOW),
        ("2026-11-22T20:00:00", NOW),
        ("2026-11-22T20:00Z", NOW),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(ProxmonError):
        read_message(body, 1, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SECTIONS = st.sampled_from(["host", "zfs_pools", "storage", "vms_runtime", "zfs_datasets", "vms_detail", "system_info"])


@given(st.sampled_from(list(Tier)), st.dictionaries(SECTIONS, JSON, max_size=4))
def test_any_payload_is_read_or_refused_with_its_place(tier: Tier, payload: dict[str, Any]) -> None:
    try:
        read(a_wire_sample(tier.value, payload=payload))
    except SampleError as error:
        refusal = str(error)
    else:
        return
    assert "samples[0].payload" in refusal


FIRST_READING = """
import msgspec._utils
from datetime import UTC, datetime
from proxmon.samples import read_message
from tests.builders import a_message, a_wire_sample

def work_out(obj):
    raise AssertionError(f"{obj} was not known before")

msgspec._utils.get_class_annotations.__code__ = work_out.__code__
body = a_message(*map(a_wire_sample, ("fast", "medium", "slow")))
assert len(read_message(body, 1, datetime.now(UTC))) == 3
"""


def test_every_type_is_known_before_the_first_message_is_read() -> None:
    ended = subprocess.run([sys.executable, "-c", FIRST_READING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def named(**changes: Any) -> dict[str, Any]:
    return a_wire_sample(payload=a_fast_payload(zfs_pools={"pools": [a_pool(**changes)]}))


def test_names_as_long_as_real_ones_are_accepted() -> None:
    by_id = "/dev/disk/by-id/" + "d" * 255
    assert read(named(name="p" * 255, vdevs=[{"name": by_id, "was": "/" + "d" * 4_095}]))
    datasets = {"datasets": [a_dataset(name="rpool/" + "é" * 249)]}
    guest = {"vmid": 1, "name": "g" * 255, "ips": ["fe80::" + "1" * 33 + "%" + "e" * 15], "macs": ["bc:24:11:00:00:01"]}
    assert read(a_wire_sample("medium", payload={"zfs_datasets": datasets, "vms_detail": {"vms": [guest]}}))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "p" * 513}, "zfs_pools.pools[0].name"),
        ({"health": "ONLINE" * 50}, "zfs_pools.pools[0].health"),
        ({"last_scrub_end": "2" * 256}, "zfs_pools.pools[0].last_scrub_end"),
        ({"scan": {"function": "s" * 256}}, "zfs_pools.pools[0].scan.function"),
        (
            {"vdevs": [{"name": "a", "children": [{"name": "v" * 4_097}]}]},
            "zfs_pools.pools[0].vdevs[0].children[0].name",
        ),
    ],
)
def test_a_text_that_is_too_long_is_refused_and_named(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(SampleError, match=re.escape(f"`$.{place}`")) as caught:
        read(a_wire_sample(), named(**changes))
    assert "samples[1].payload" in str(caught.value)


def texts_without_limit(kind: inspect.Type, path: str) -> Iterator[str]:
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            inner = [one for one in fields if f"{cls.__name__}." not in path]
            for one in inner:
                yield from texts_without_limit(one.type, f"{path}{cls.__name__}.{one.name} ")
        case inspect.UnionType(types=types):
            for one in types:
                yield from texts_without_limit(one, path)
        case inspect.VarTupleType(item_type=item):
            yield from texts_without_limit(item, path)
        case inspect.StrType(max_length=None):
            yield path
        case _:
            pass


@pytest.mark.parametrize("tier", Tier)
def test_only_reasons_have_no_limit_of_the_wire(tier: Tier) -> None:
    found = texts_without_limit(inspect.type_info(PAYLOAD_TYPES[tier]), "")
    assert {path.split(".")[-1].strip() for path in found} == {"error", "incomplete"}


@pytest.mark.parametrize("name", ["host", "a section of nobody"])
def test_a_reason_is_accepted_at_any_length_and_cut(name: str) -> None:
    (sample,) = read(a_wire_sample(payload={name: {"error": "e" * 100_000, "incomplete": "short"}}))
    ((_, section),) = sample.list_sections()
    assert section.error == "e" * (REASON_CHARACTERS - 1) + "…"
    assert section.incomplete == "short"
    assert len(sample.raw) > 100_000


def test_a_payload_that_was_stored_before_texts_had_a_limit_is_read_with_them_cut() -> None:
    pools = {"pools": [a_pool(name="p" * 100_000), a_pool(health="h" * 100_000)]}
    deep = reduce(lambda inner, _: [inner], range(MAX_DEPTH - 2), "x")
    payload = read_payload(Tier.FAST, json.dumps(a_fast_payload(zfs_pools=pools, x=deep)).encode())
    assert isinstance(payload, FastPayload)
    assert payload.zfs_pools is not None
    first, second = payload.zfs_pools.pools or ()
    assert (first.name, first.health) == ("p" * WORD_CHARACTERS, "ONLINE")
    assert (second.name, second.health) == ("rpool", "h" * WORD_CHARACTERS)
    with pytest.raises(msgspec.ValidationError, match="load1"):
        read_payload(Tier.FAST, b'{"host": {"load1": "much"}}')
