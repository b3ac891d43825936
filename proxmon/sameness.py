"""Tells whether new samples leave the verdicts on a host as they are, at a tenth of what judging it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from proxmon.config import RuleSettings
from proxmon.facts import FACT_READS
from proxmon.fleet import HostSnapshot
from proxmon.payload import PAYLOAD_TYPES, Payload, Tier
from proxmon.rulebook.book import HostRules, RuleBook
from proxmon.rules.base import stale_at
from proxmon.samples import Sample
from proxmon.status import DATA_RULES, FURTHER_RULES

Reads = Sequence[Callable[[Any], object]]


def is_unchanged(before: HostSnapshot, after: HostSnapshot, rules: RuleBook, now: datetime) -> bool:
    """Tell whether a host that was online and judged ``before`` gets the same verdicts, with the same facts, after.

    They hold as long as those before did, or longer. False may also be said of a host on which nothing changed.
    """
    if before.samples.keys() != after.samples.keys() or before.scrubs != after.scrubs:
        return False
    if before.forecasts is not after.forecasts:
        return False
    if (before.left_at, before.rotated_at) != (after.left_at, after.rotated_at):
        return False
    host = rules.of_host(after.host.name)
    settings = host.settings
    if _of_newest(before, settings) != _of_newest(after, settings):
        return False
    pairs = ((old, after.samples[tier]) for tier, old in before.samples.items())
    return all(
        old is new or (_is_fresh(old, new, settings, now) and _says_the_same(old, new, host)) for old, new in pairs
    )


def _of_newest(host: HostSnapshot, settings: RuleSettings) -> tuple[bool, str] | None:
    """Return what the rules read of the newest sample, of whichever tier it is."""
    newest = host.newest_sample
    return newest and (abs(newest.clock_offset_seconds) > settings.clock_max_seconds, newest.agent_version)


def _is_fresh(old: Sample, new: Sample, settings: RuleSettings, now: datetime) -> bool:
    """Tell whether the old sample still counts, and the new one will for as long."""
    is_later = old.fresh_at <= new.fresh_at and old.interval_seconds == new.interval_seconds
    return is_later and now <= stale_at(settings, old)


def _says_the_same(old: Sample, new: Sample, host: HostRules) -> bool:
    if old.agent_version != new.agent_version or old.other_sections or new.other_sections:
        return False
    further = [rule for rule in _FURTHER[old.tier] if host.may_judge(rule.name)]
    return all(_is_same(old.payload, new.payload, name, reads) for name, reads in _READS[old.tier].items()) and all(
        _is_same(old.payload, new.payload, rule.section, [rule.reads]) for rule in further
    )


def _is_same(old: Payload, new: Payload, name: str, reads: Reads) -> bool:
    known, found = getattr(old, name), getattr(new, name)
    if known is None or found is None:
        return known is found
    if known.error != found.error or known.incomplete != found.incomplete:
        return False
    return all(read(known) == read(found) for read in reads)


def _reads(tier: Tier, section: str) -> Reads:
    rules = [rule.reads for rule in DATA_RULES if (rule.tier, rule.section) == (tier, section)]
    facts = FACT_READS.get((tier, section))
    return [*rules, facts] if facts else rules


_READS: dict[Tier, dict[str, Reads]] = {
    tier: {name: _reads(tier, name) for name in payload.__struct_fields__} for tier, payload in PAYLOAD_TYPES.items()
}
_FURTHER = {tier: [rule for rule in FURTHER_RULES if rule.tier is tier] for tier in Tier}
