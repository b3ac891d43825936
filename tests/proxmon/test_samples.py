"""Reading an agent's message: clocks, intervals, and errors that name what is wrong."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.errors import ProxmonError, SampleError, UnreadableError
from proxmon.payload import FastPayload, Tier
from proxmon.samples import Sample, parse_time, read_message
from tests.builders import NOW, a_message, a_wire_sample, iso

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


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"interval_s": 0}, "interval_s"),
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
