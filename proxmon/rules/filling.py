"""The rule on forecasts: what will be full before long."""

from __future__ import annotations

from dataclasses import dataclass

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Skipped, Verdict, worst
from proxmon.forecast import Forecast
from proxmon.rules.base import Case, failing, judge_each
from proxmon.rules.words import number, plural

NAME = "days_until_full"
CLEARS_WHEN = "It grows more slowly, or has more room: delete data or snapshots, or add vdevs."


@dataclass(frozen=True, slots=True)
class Filling:
    """What can get full, by its name, and when it will."""

    name: str
    forecast: Forecast


def judge_filling(case: Case) -> Finding | Skipped:
    """Judge in how many days each pool, storage and dataset with a quota is full."""
    found = [Filling(subject, one) for (_, subject), one in case.host.forecasts.items() if is_telling(one)]
    if not found:
        return Skipped(NAME, "There is no forecast yet, or none that says when something is full.")
    details = tuple(judge_each(case, NAME, found, days_until_full, threshold))
    first = worst(details)
    count = sum(first is not None and one.verdict is first.verdict for one in details)
    is_passed = first is None or first.verdict is Verdict.OK
    calm = f"{plural(len(details), 'forecast')}: nothing is full before long"
    more = f" (and {count - 1} more)" if count > 1 else ""
    return Finding(
        rule=NAME,
        verdict=first.verdict if first else Verdict.OK,
        message=calm if is_passed or first is None else first.message + more,
        threshold=(first and first.threshold) or threshold(case.settings),
        clears_when=CLEARS_WHEN,
        value=first.value if first else None,
        unit="d",
        subject=first.subject if first else "",
        observed_at=max(one.forecast.at for one in found),
        details=details,
    )


def is_telling(one: Forecast) -> bool:
    """Tell whether a forecast says when, or that it will be long."""
    return one.days is not None or one.is_calm


def days_until_full(case: Case, filling: Filling) -> Detail:
    """Judge one forecast by its middle."""
    days, name = filling.forecast.days, filling.name
    if days is None:
        return Detail(name, Verdict.OK, f"{name}: {filling.forecast.why}")
    is_critical = days < case.settings.full_critical_days
    verdict = Verdict.CRITICAL if is_critical else failing(days < case.settings.full_warning_days)
    return Detail(name, verdict, f"{name} is full in about {number(days)} days", round(days, 2))


def threshold(settings: RuleSettings) -> str:
    """Return what the rule allows, in words."""
    warning, critical = number(settings.full_warning_days), number(settings.full_critical_days)
    return f"warning below {warning} d, critical below {critical} d"
