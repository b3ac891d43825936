"""A judged host made again from the JSON API's answer, as the pages' sections read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from proxmon.board import JudgedHost
from proxmon.events import Mark, Recorded
from proxmon.findings import Detail, Finding, Status, Verdict
from proxmon.fleet import Host, HostSnapshot
from proxmon.payload import Tier
from proxmon.samples import Sample, parse_time, read_other_sections, read_payload
from proxmon.status import HostStatus


def read_judged(answer: Mapping[str, Any]) -> JudgedHost:
    """Return a host as ``GET /api/hosts/NAME`` answers it.

    Until when a verdict holds is not known, and a sample's time by the server's clock is reckoned from its own.
    """
    findings = tuple(_finding(one) for one in answer["findings"])
    offset = next((one.value for one in findings if one.rule == "clock_offset"), None)
    host = Host(answer["id"], answer["host"], parse_time(answer["created_at"]))
    samples = {
        Tier(tier): _sample(answer, Tier(tier), one, float(offset) if isinstance(offset, int | float) else 0.0)
        for tier, one in answer["samples"].items()
    }
    status = Status(answer["status"])
    marks = {
        (one["rule"], one["subject"]): Mark(one["verdict"], parse_time(one["since"]))
        for one in answer["findings"]
        if one["since"]
    }
    seen_at = _moment(answer["last_seen_at"])
    turned_at = next((_moment(one["since"]) for one in answer["findings"] if one["rule"] == "offline"), None)
    recorded = Recorded(status, since=turned_at, online_since=turned_at, verdicts=marks)
    snapshot = HostSnapshot(host, samples, seen_at, recorded=recorded)
    return JudgedHost(snapshot, HostStatus(status, findings, None))


def _finding(answer: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=answer["rule"],
        verdict=Verdict(answer["verdict"]),
        message=answer["message"],
        threshold=answer["threshold"],
        clears_when=answer["clears_when"],
        value=answer["value"],
        unit=answer["unit"],
        subject=answer["subject"],
        observed_at=_moment(answer["observed_at"]),
        details=tuple(
            Detail(one["subject"], Verdict(one["verdict"]), one["message"], one["value"]) for one in answer["details"]
        ),
    )


def _sample(answer: Mapping[str, Any], tier: Tier, sample: Mapping[str, Any], offset: float) -> Sample:
    # A payload is JSON as it came where the store was asked itself, and what it says where a server was.
    raw = msgspec.json.encode(sample["payload"])
    collected_at, received_at = parse_time(sample["collected_at"]), parse_time(sample["received_at"])
    observed_at = min(collected_at - timedelta(seconds=offset), received_at)
    return Sample(
        host_id=answer["id"],
        tier=tier,
        collected_at=collected_at,
        received_at=received_at,
        observed_at=observed_at,
        fresh_at=observed_at,
        interval_seconds=sample["interval_s"],
        clock_offset_seconds=offset,
        agent_version=answer["agent_version"] or "",
        raw=raw,
        payload=read_payload(tier, raw),
        other_sections=read_other_sections(tier, raw),
    )


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
