"""The rule book: for a rule, a host and a subject, what holds and from where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from proxmon.findings import Detail, Verdict
from proxmon.rulebook.catalog import CATALOG, Hold, Policy, RuleSpec
from proxmon.thresholds import ORDERED_SETTINGS, RuleSettings

MANY_SUBJECTS = 100_000
PATTERN_SIGNS = "*?["


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody said about one rule, for the hosts and subjects that its patterns choose; empty ones choose all.

    ``values`` are by field of ``RuleSettings``. What is None was not said. ``line`` is where it stands in the file.
    """

    rule: str
    host: str = ""
    subject: str = ""
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    on: bool | None = None
    alert: bool | None = None
    severity: Verdict | None = None
    for_samples: int | None = None
    for_minutes: float | None = None
    clear_samples: int | None = None
    clear_minutes: float | None = None
    clear_below: float | None = None
    line: int = 0

    def applies_to(self, host: str) -> bool:
        """Tell whether it speaks of that host."""
        return not self.host or fnmatchcase(host.casefold(), self.host.casefold())

    @property
    def rank(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return how specific it is: a subject before a host, a name before a pattern, the longer pattern before."""
        return (_rank(self.subject), _rank(self.host))


def _rank(pattern: str) -> tuple[int, int]:
    if not pattern:
        return (0, 0)
    if any(sign in pattern for sign in PATTERN_SIGNS):
        return (1, sum(letter not in PATTERN_SIGNS for letter in pattern))
    return (2, 0)


@dataclass(frozen=True, slots=True)
class Choice:
    """What holds for one rule on one host and subject; ``origins`` has the entry that decided, by what it decided."""

    spec: RuleSpec
    settings: RuleSettings
    is_on: bool
    severity: Verdict | None
    policy: Policy
    origins: Mapping[str, Entry] = field(default_factory=dict[str, Entry])

    def grade(self, detail: Detail) -> Detail:
        """Return the detail with the severity that was asked for, where it fails."""
        if self.severity is None or detail.verdict not in (Verdict.WARNING, Verdict.CRITICAL):
            return detail
        return replace(detail, verdict=self.severity)


class HostRules:
    """What holds on one host; ``settings`` are those of the host as a whole."""

    def __init__(self, settings: RuleSettings, entries: Iterable[Entry]) -> None:
        self._entries: dict[str, list[Entry]] = {}
        for entry in entries:
            self._entries.setdefault(entry.rule, []).append(entry)
        whole = [entry for rules in self._entries.values() for entry in rules if not entry.subject]
        self.settings = _merged(settings, whole)
        self._whole: dict[str, Choice] = {}
        self._chosen: dict[tuple[str, str], Choice] = {}
        self._by_subject = {rule for rule, found in self._entries.items() if any(entry.subject for entry in found)}

    def choose(self, rule: str, subject: str = "") -> Choice:
        """Return what holds for a rule, on a subject of the host or on the host as a whole."""
        if not subject or rule not in self._by_subject:
            known = self._whole.get(rule)
            return known if known is not None else self._whole.setdefault(rule, self._make(rule, ""))
        key = (rule, subject)
        if key not in self._chosen:
            if len(self._chosen) >= MANY_SUBJECTS:
                self._chosen.clear()
            self._chosen[key] = self._make(rule, subject)
        return self._chosen[key]

    def has_subjects(self, rule: str) -> bool:
        """Tell whether anything was said of single subjects."""
        return rule in self._by_subject

    def may_judge(self, rule: str) -> bool:
        """Tell whether the rule judges anything on this host."""
        return rule not in self.off

    @cached_property
    def off(self) -> frozenset[str]:
        """The rules that judge nothing on this host."""
        return frozenset(rule for rule in CATALOG if not self.choose(rule).is_on and not self._has_subject_on(rule))

    def _has_subject_on(self, rule: str) -> bool:
        return any(entry.subject and entry.on for entry in self._entries.get(rule, ()))

    def may_alert(self, rule: str) -> bool:
        """Tell whether the rule alerts of anything on this host."""
        entries = self._entries.get(rule, ())
        return self.choose(rule).policy.is_on or any(entry.subject and entry.alert for entry in entries)

    def _make(self, rule: str, subject: str) -> Choice:
        spec = CATALOG[rule]
        entries = [one for one in self._entries.get(rule, ()) if _speaks_of(one, subject)]
        settings = _merged(self.settings, [one for one in entries if one.subject])
        said, origins = dict(_said(entries)), dict(_origins(entries))
        clear_below = said.get("clear_below", spec.clear_below(settings) if spec.clear_below else None)
        policy = Policy(
            opens=_hold(spec.opens, said, "for"),
            clears=_hold(spec.clears, said, "clear"),
            is_on=said.get("alert", spec.alerts),
            clear_below=clear_below,
            ease_below=spec.ease_below(settings) if spec.ease_below else None,
        )
        return Choice(spec, settings, said.get("on", spec.is_on), said.get("severity"), policy, origins)


class RuleBook:
    """The settings, and what the owner said over them. It never changes; what it worked out once is remembered."""

    def __init__(self, settings: RuleSettings, entries: Iterable[Entry] = ()) -> None:
        self.settings = settings
        self.entries = tuple(entries)
        self._ordered = sorted(self.entries, key=lambda entry: entry.rank)
        self._hosts: dict[str, HostRules] = {}

    def of_host(self, name: str) -> HostRules:
        """Return what holds on a host."""
        known = self._hosts.get(name)
        if known is not None:
            return known
        made = HostRules(self.settings, [entry for entry in self._ordered if entry.applies_to(name)])
        return self._hosts.setdefault(name, made)


def as_book(rules: RuleBook | RuleSettings) -> RuleBook:
    """Return a book: settings alone are one to which nothing was added."""
    return rules if isinstance(rules, RuleBook) else RuleBook(rules)


SAID = (
    "on",
    "alert",
    "severity",
    "for_samples",
    "for_minutes",
    "clear_samples",
    "clear_minutes",
    "clear_below",
)


def _speaks_of(entry: Entry, subject: str) -> bool:
    """Tell whether an entry is about a subject; a guest goes by ``qemu/100``, by its name, or by both."""
    if not entry.subject or not subject:
        return not entry.subject
    return any(fnmatchcase(one, entry.subject) for one in (subject, *subject.split(" ")))


def _said(entries: Iterable[Entry]) -> Iterator[tuple[str, Any]]:
    """Give what was said, the most specific last."""
    for entry in entries:
        for name in SAID:
            value = getattr(entry, name)
            if value is not None:
                yield name, value


def _origins(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    for entry in entries:
        for name in (*(name for name, _ in _said([entry])), *entry.values):
            yield name, entry


def _merged(settings: RuleSettings, entries: Iterable[Entry]) -> RuleSettings:
    values: dict[str, float] = {}
    for entry in entries:
        values |= entry.values
    if not values:
        return settings
    for low, high in ORDERED_SETTINGS:
        # Of a pair of which only one was said here, the other gives way.
        least = values[low] if low in values else float(getattr(settings, low))
        most = values[high] if high in values else float(getattr(settings, high))
        if least > most:
            values |= {high: least} if low in values else {low: most}
    return replace(settings, **values)


def _hold(default: Hold, said: Mapping[str, Any], name: str) -> Hold:
    minutes = said.get(f"{name}_minutes")
    seconds = default.seconds if minutes is None else minutes * 60.0
    return Hold(said.get(f"{name}_samples", default.samples), seconds)
