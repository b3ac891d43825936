"""Says what holds on a host, value by value, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from proxmon.config import RuleSettings
from proxmon.rulebook.book import Choice, Entry, RuleBook
from proxmon.rulebook.catalog import CATALOG, Parameter

Value = float | bool | str | None
_DECLARED = {one.name: one for one in fields(RuleSettings) if one.metadata}


@dataclass(frozen=True, slots=True)
class Effective:
    """One value that holds: of a rule, on the host as a whole or on the subjects of a pattern.

    ``origin`` is ``default``, the name of a setting, or where in the file it was said.
    """

    rule: str
    subject: str
    key: str
    value: Value
    origin: str
    is_own: bool = False


def explain_host(book: RuleBook, host: str) -> list[Effective]:
    """List every value that holds on a host, then those that hold for some of its subjects only."""
    return [one for rule in CATALOG for one in explain_rule(book, rule, host)]


def explain_rule(book: RuleBook, rule: str, host: str) -> Iterator[Effective]:
    """Give what holds of one rule on a host."""
    rules = book.of_host(host)
    yield from _explain(rules.choose(rule), "")
    patterns = dict.fromkeys(
        entry.subject for entry in book.entries if entry.rule == rule and entry.subject and entry.applies_to(host)
    )
    for pattern in patterns:
        # Of a pattern's subjects, what was said of them differs from what holds on the host.
        yield from (
            one
            for one in _explain(rules.choose(rule, pattern), pattern)
            if _is_of_subject(rules.choose(rule, pattern), one)
        )


def _is_of_subject(choice: Choice, one: Effective) -> bool:
    parameters = {parameter.key: parameter.setting for parameter in choice.spec.parameters}
    entry = choice.origins.get(parameters.get(one.key, one.key))
    return entry is not None and bool(entry.subject)


def _explain(choice: Choice, subject: str) -> Iterator[Effective]:
    spec, policy = choice.spec, choice.policy
    severity = choice.severity.value if choice.severity else None
    common: dict[str, Value] = {
        "on": choice.is_on,
        "severity": severity,
        "alert": policy.is_on,
        "for_samples": policy.opens.samples,
        "for_minutes": policy.opens.seconds / 60,
        "clear_samples": policy.clears.samples,
        "clear_minutes": policy.clears.seconds / 60,
        "clear_below": policy.clear_below,
    }
    for parameter in spec.parameters:
        entry = choice.origins.get(parameter.setting)
        value: Value = getattr(choice.settings, parameter.setting)
        yield Effective(
            spec.name, subject, parameter.key, value, _origin_of(parameter, value, entry), entry is not None
        )
    for key, value in common.items():
        entry = choice.origins.get(key)
        if value is not None:
            yield Effective(spec.name, subject, key, value, origin_words(entry), entry is not None)


def _origin_of(parameter: Parameter, value: Value, entry: Entry | None) -> str:
    declared = _DECLARED[parameter.setting]
    is_set = entry is None and value != declared.default
    return str(declared.metadata["env"]) if is_set else origin_words(entry)


def origin_words(entry: Entry | None) -> str:
    """Return where a value was said."""
    if entry is None:
        return "default"
    place = f"line {entry.line}" if entry.line else "your rules"
    return f"{place}, for hosts {entry.host}" if entry.host else place
