"""Rules on the connection to the host: offline, failed or late collection, and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Verdict, earliest, worst
from proxmon.fleet import HostSnapshot
from proxmon.payload import Tier
from proxmon.rules.base import NO_REASON, Case, stale_at
from proxmon.rules.words import listed, number, plural, shortened, span
from proxmon.samples import DEFAULT_INTERVALS, Sample

# A tick this late says that the server itself stood still: what it did not hear in that time it could not hear.
STANDSTILL = timedelta(seconds=10)


def judge_offline(case: Case) -> Finding:
    """Judge whether the host is connected, by the server's clock alone."""
    why = _why_offline(case)
    seconds = silence_limit(case.host, case.settings)
    seen = case.host.last_seen_at
    return Finding(
        rule="offline",
        verdict=Verdict.OFFLINE if why else Verdict.OK,
        message=why or "Samples arrive",
        threshold=f"offline after {span(seconds)} without a sample",
        clears_when="One accepted sample brings the host back: see `systemctl status proxmon-agent` on it.",
        value=None if seen is None else max(0.0, (case.now - seen).total_seconds()),
        unit="s",
        observed_at=seen,
        valid_until=None if why or seen is None else seen + timedelta(seconds=seconds),
    )


def silence_limit(host: HostSnapshot, settings: RuleSettings) -> float:
    """Return after how many seconds without a sample the host is offline."""
    newest = host.samples.get(Tier.FAST) or host.newest_sample
    interval = newest.interval_seconds if newest and newest.tier is Tier.FAST else DEFAULT_INTERVALS[Tier.FAST]
    return max(settings.offline_intervals * interval, settings.offline_min_seconds)


def waits_until(host: HostSnapshot, settings: RuleSettings, listening_since: datetime) -> datetime:
    """Return up to when a silent host may still come back to a server that could not hear it before that moment."""
    limit, seen = silence_limit(host, settings), host.last_seen_at
    if seen is not None and seen >= listening_since:
        return seen + timedelta(seconds=limit)
    return listening_since + timedelta(seconds=max(limit, settings.offline_grace_seconds))


def _why_offline(case: Case) -> str | None:
    host, seen = case.host, case.host.last_seen_at
    if seen is None:
        return "Never connected"
    if host.rotated_at is not None and host.rotated_at >= seen:
        return "Its token was rotated, and the agent has not sent anything with the new one"
    if host.left_at is not None and host.left_at >= seen:
        return f"The agent was stopped {span((case.now - host.left_at).total_seconds())} ago"
    silent = (case.now - seen).total_seconds()
    return f"No sample for {span(silent)}" if silent > silence_limit(case.host, case.settings) else None


def judge_collection(case: Case) -> Finding:
    """Judge whether every section could be collected and every tier arrives in time."""
    details = tuple(_collection_details(case))
    first = worst(details)
    failed = [detail.subject for detail in details if detail.verdict is not Verdict.OK]
    many = f"{plural(len(failed), 'part')} missing: {listed(failed)}"
    message = first.message if first and len(failed) == 1 else many
    newest = case.host.newest_sample
    return Finding(
        rule="collection",
        verdict=first.verdict if first else Verdict.UNKNOWN,
        message=message if failed else "Everything was collected" if details else "No sample has arrived yet.",
        threshold="warning when a section fails or a tier is three intervals late",
        clears_when="The agent collects every section and sends every tier again.",
        value=len(failed) if details else None,
        unit="parts",
        subject=failed[0] if failed else "",
        observed_at=newest.fresh_at if newest else None,
        valid_until=earliest(detail.valid_until for detail in details),
        details=details,
    )


def _collection_details(case: Case) -> Iterator[Detail]:
    for tier, sample in sorted(case.host.samples.items(), key=lambda item: list(Tier).index(item[0])):
        yield _tier_detail(case, tier, sample)
        for name, section in sample.list_sections():
            why = section.error if section.error is not None else section.incomplete
            if why is not None:
                yield Detail(name, Verdict.WARNING, f"{name}: {shortened(why) or NO_REASON}", shortened(why))


def _tier_detail(case: Case, tier: Tier, sample: Sample) -> Detail:
    late_at = stale_at(case.settings, sample)
    if case.now <= late_at:
        return Detail(f"{tier} tier", Verdict.OK, f"The {tier} tier arrives", valid_until=late_at)
    age = span((case.now - sample.fresh_at).total_seconds())
    return Detail(f"{tier} tier", Verdict.WARNING, f"The newest {tier} sample is {age} old", age)


def judge_clock_offset(case: Case) -> Finding:
    """Judge how far the agent's clock is off the server's."""
    newest = case.host.newest_sample
    offset = newest.clock_offset_seconds if newest else None
    limit = case.settings.clock_max_seconds
    return Finding(
        rule="clock_offset",
        verdict=_clock_verdict(offset, limit),
        message=_clock_words(offset),
        threshold=f"warning above {number(limit)} s",
        clears_when="Host and server agree on the time: enable chrony or systemd-timesyncd on both.",
        value=None if offset is None else round(offset, 3),
        unit="s",
        observed_at=_received_at(newest),
    )


def _clock_verdict(offset: float | None, limit: float) -> Verdict:
    if offset is None:
        return Verdict.UNKNOWN
    return Verdict.WARNING if abs(offset) > limit else Verdict.OK


def _clock_words(offset: float | None) -> str:
    if offset is None:
        return "No sample has arrived yet."
    if abs(offset) < 1:
        return "The agent's clock agrees with the server's"
    return f"The agent's clock is {span(abs(offset))} {'ahead' if offset > 0 else 'behind'}"


def _received_at(sample: Sample | None) -> datetime | None:
    return sample.received_at if sample else None
