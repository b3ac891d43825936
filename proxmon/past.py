"""Judges a host as of a past moment: from the samples of then, held against what was recorded at that time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from proxmon.events import Recorded
from proxmon.findings import Finding, Status, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.payload import Tier
from proxmon.rulebook.book import RuleBook
from proxmon.rules.connection import silence_limit
from proxmon.status import HostStatus, evaluate, overall

MOMENT, HOUR = timedelta(microseconds=1), timedelta(hours=1)
PASSED = "It passed, as was recorded then"


def judge_past(host: HostSnapshot, rules: RuleBook, at: datetime) -> tuple[HostSnapshot, HostStatus]:
    """Return the host as it is shown for a past moment, and the verdict on it.

    Samples alone do not tell whether the server was there to hear, and of an old moment only one in an hour is kept. So
    what was recorded decides whether the host was offline; one that was not is judged as if its samples were fresh.
    """
    status, recorded = evaluate(host, rules, at), host.recorded
    if recorded is None or recorded.status is None:
        heard = _within_hour(host, at) if host.is_thinned else host
        return heard, status if heard is host else evaluate(heard, rules, at)
    if recorded.status is Status.OFFLINE:
        if status.status is Status.OFFLINE:
            return host, status
        silent = _silent(host, rules, recorded)
        return silent, evaluate(silent, rules, at)
    if not host.is_thinned and status.status is recorded.status:
        return host, status
    fresh = _fresh(host, recorded, at)
    return fresh, _judge_kept(fresh, host, rules, recorded, at)


def _silent(host: HostSnapshot, rules: RuleBook, recorded: Recorded) -> HostSnapshot:
    """Return a host that fell silent by the time that was recorded; a message on its way had not been stored yet."""
    if recorded.since is None or host.last_seen_at is None:
        return replace(host, last_seen_at=None)
    latest = recorded.since - timedelta(seconds=silence_limit(host, rules.of_host(host.host.name).settings)) - MOMENT
    return replace(host, last_seen_at=min(host.last_seen_at, latest))


def _fresh(host: HostSnapshot, recorded: Recorded, at: datetime) -> HostSnapshot:
    """Return the host with samples that count as fresh, but for the tiers that were recorded to be late."""
    late = {tier for tier in Tier if recorded.verdict("collection", f"{tier} tier") != Verdict.OK}
    samples = {tier: sample if tier in late else replace(sample, fresh_at=at) for tier, sample in host.samples.items()}
    return replace(host, samples=samples, last_seen_at=at, left_at=None, rotated_at=None)


def _judge_kept(
    fresh: HostSnapshot, host: HostSnapshot, rules: RuleBook, recorded: Recorded, at: datetime
) -> HostStatus:
    """Judge by what was kept: each rule as of the moment, or as of its sample where that is what was recorded.

    Between two kept samples a date in them, such as that of an oldest snapshot, may have moved on.
    """
    status = evaluate(fresh, rules, at)
    own = max((sample.received_at for sample in host.samples.values()), default=at)
    then = {finding.rule: finding for finding in evaluate(_fresh(host, recorded, own), rules, own).findings}
    findings = tuple(_chosen(finding, then[finding.rule], recorded) for finding in status.findings)
    return replace(status, status=overall(findings), findings=findings)


def _chosen(now: Finding, then: Finding, recorded: Recorded) -> Finding:
    """Return a rule's finding as it was recorded: of what is kept of the samples, or else of the events alone."""
    mark = recorded.find_worst(now.rule)
    verdict = Verdict(mark.verdict) if mark and mark.verdict else Verdict.OK
    if now.rule == "offline" or verdict is now.verdict:
        return now
    if verdict is then.verdict:
        return then
    if mark is None and now.verdict is Verdict.UNKNOWN:
        return now
    return replace(now, verdict=verdict, message=mark.message if mark else PASSED, value=None, subject="", details=())


def _within_hour(host: HostSnapshot, at: datetime) -> HostSnapshot:
    """Return a host of which no events are known: it was heard all through the hour that its kept sample ends."""
    fast = host.samples.get(Tier.FAST)
    if fast is None or at - fast.observed_at > HOUR:
        return host
    return replace(host, samples={**host.samples, Tier.FAST: replace(fast, fresh_at=at)}, last_seen_at=at)
