"""Reads the owner's rules from TOML, and says by line and key what cannot be used and what to write instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from proxmon.errors import RulesError
from proxmon.findings import Verdict
from proxmon.rulebook.book import Entry
from proxmon.rulebook.catalog import CATALOG, Parameter, RuleSpec
from proxmon.thresholds import ORDERED_SETTINGS, RuleSettings

SEVERITIES = ("warning", "critical")
SWITCHES, COUNTS = ("on", "alert"), ("for_samples", "clear_samples")
AMOUNTS = ("for_minutes", "clear_minutes", "clear_below")
COMMON = ("host", *SWITCHES, "severity", *COUNTS, *AMOUNTS)
LARGEST_BYTES = 200_000  # thousands of entries; a text is read on the event loop
MOST_SAMPLES, MOST_MINUTES, MOST_LETTERS = 1_000, 60 * 24 * 60, 200
_TABLE = re.compile(r"""^\s*\[\[?\s*["']?([\w-]+)["']?\s*\]\]?""")
_KEY = re.compile(r"""^\s*["']?([\w-]+)["']?\s*=""")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one key, and what to do; ``line`` 0 is the file as a whole."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{place}: {self.message}" if place else self.message


def line_of(problem: Problem) -> int:
    """Return where a problem is."""
    return problem.line


def read_rules_file(path: Path, settings: RuleSettings) -> tuple[Entry, ...]:
    """Return the entries of a file; none where there is no file.

    Raises:
        RulesError: it cannot be read or used; the text names every line and key.
    """
    return read_rules(read_text(path), settings)


def read_text(path: Path, *, is_named: bool = False) -> str:
    """Return the text of a file, empty where there is none. Raises RulesError, also when one was named and is not."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RulesError(f"Shorten {path.name}: it is larger than {LARGEST_BYTES:,} bytes.")
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:  # the second beside a bundle, which is one file
        if is_named:
            raise RulesError(f"Put your rules where PROXMON_RULES says: {path} does not exist.") from error
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"Make {path} a readable UTF-8 file: {error}.") from error


def read_rules(text: str, settings: RuleSettings) -> tuple[Entry, ...]:
    """Return the entries of a TOML text, in its order. Raises RulesError."""
    if len(text) > LARGEST_BYTES:
        raise RulesError(f"Shorten the rules to {LARGEST_BYTES:,} characters.")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesError(f"Write the rules as TOML: {error}.") from error
    reader = _Reader(_Lines(text), settings)
    entries = tuple(reader.read(document))
    if reader.problems:
        raise RulesError.of(sorted(reader.problems, key=line_of))
    return entries


class _Lines:
    """Finds the line of a table or key: TOML's reader does not tell it."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table = ""
        for line, words in enumerate(text.splitlines(), 1):
            if match := _TABLE.match(words):
                table = match[1]
                counts[table] = counts.get(table, -1) + 1
                self._found[table, counts[table], ""] = line
            elif match := _KEY.match(words):
                self._found.setdefault((table, counts.get(table, 0), match[1]), line)

    def find(self, table: str, index: int, key: str = "") -> int:
        """Return the line, that of the table where the key's is not plain, or 0."""
        places = ((table, index, key), (table, index, ""), ("", 0, table))
        return next((self._found[place] for place in places if place in self._found), 0)


class _Reader:
    def __init__(self, lines: _Lines, settings: RuleSettings) -> None:
        self._lines, self._settings = lines, settings
        self.problems: list[Problem] = []
        self._place = ("", 0)

    def read(self, document: Mapping[str, Any]) -> Iterator[Entry]:
        for rule, tables in document.items():
            self._place = (rule, 0)
            spec = CATALOG.get(rule)
            if spec is None:
                self.problems.append(
                    Problem(self._lines.find(rule, 0), rule, f"There is no such rule. {_nearest(rule, CATALOG)}")
                )
                continue
            for index, table in enumerate(_as_tables(tables)):
                self._place = (rule, index)
                if isinstance(table, dict):
                    entry = self._entry(spec, cast("dict[str, Any]", table))
                    self._check(entry)
                    yield entry
                else:
                    self._tell("", f"Write [[{rule}]] on a line of its own, and its keys below.")

    def _entry(self, spec: RuleSpec, table: Mapping[str, Any]) -> Entry:
        parameters = {one.key: one for one in spec.parameters}
        parameters |= {word_key(one): one for one in spec.parameters if one.words}
        subjects = (spec.subject,) if spec.subject else ()
        known = (*COMMON, *subjects, *parameters)
        for key in table:
            if key not in known:
                self._tell(key, f"{spec.name} has no such key. {_nearest(key, known)}")
        found = {one.setting: self._value(table, key, one) for key, one in parameters.items() if key in table}
        values = {name: value for name, value in found.items() if value is not None}
        switches = {key: self._switch(spec, table, key) for key in SWITCHES}
        counts = {key: self._number(table, key, least=1, most=MOST_SAMPLES, is_whole=True) for key in COUNTS}
        amounts = {key: self._number(table, key, most=MOST_MINUTES) for key in AMOUNTS[:2]}
        said: dict[str, Any] = {**switches, **counts, **amounts}
        said["clear_below"] = self._number(table, "clear_below", most=float("inf"))
        return Entry(
            rule=spec.name,
            host=self._pattern(table, "host"),
            subject=self._pattern(table, spec.subject) if spec.subject else "",
            values=values,
            severity=self._severity(spec, table),
            line=self._lines.find(*self._place),
            **said,
        )

    def _value(self, table: Mapping[str, Any], key: str, parameter: Parameter) -> float | None:
        if parameter.words and key == word_key(parameter):
            word = table.get(key)
            if word is not None and word not in parameter.words:
                self._tell(key, f"Write one of {_quoted(parameter.words)}, not {word!r}.")
                return None
            return None if word is None else parameter.words[word]
        if isinstance(getattr(self._settings, parameter.setting), bool):
            value = table.get(key)
            if value is not None and not isinstance(value, bool):
                self._tell(key, f"Write true or false, not {value!r}.")
            return value if isinstance(value, bool) else None
        return self._number(table, key, most=float("inf"))

    def _number(
        self, table: Mapping[str, Any], key: str, *, least: float = 0, most: float, is_whole: bool = False
    ) -> Any:
        value = table.get(key)
        if value is None:
            return None
        is_number = isinstance(value, int) if is_whole else isinstance(value, int | float)
        if not is_number or isinstance(value, bool) or not least <= value <= most or value == float("inf"):
            kind = "a whole number" if is_whole else "a number"
            span = f"from {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            self._tell(key, f"Write {kind} {span}, not {value!r}.")
            return None
        return value

    def _switch(self, spec: RuleSpec, table: Mapping[str, Any], key: str) -> bool | None:
        value = table.get(key)
        if value is not None and not isinstance(value, bool):
            self._tell(key, f"Write true or false, not {value!r}.")
            return None
        if key == "on" and value is False and not spec.can_be_off:
            self._tell(key, f"{spec.name} cannot be switched off; `alert = false` keeps it from alerting.")
        return value

    def _severity(self, spec: RuleSpec, table: Mapping[str, Any]) -> Verdict | None:
        value = table.get("severity")
        if value is None:
            return None
        if not spec.can_be_off:
            self._tell("severity", f"{spec.name} has no severity: a host is offline, or it is not.")
        elif value not in SEVERITIES:
            self._tell("severity", f"Write one of {_quoted(SEVERITIES)}, not {value!r}.")
        else:
            return Verdict(value)
        return None

    def _pattern(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key, "*")
        if not isinstance(value, str) or not value or len(value) > MOST_LETTERS:
            self._tell(key, f'Write a name or a pattern such as "tank*", not {value!r}.')
            return ""
        return "" if value == "*" else value

    def _check(self, entry: Entry) -> None:
        values = entry.values
        for low, high in ORDERED_SETTINGS:
            bounds = [values.get(name, getattr(self._settings, name)) for name in (low, high)]
            if (low in values or high in values) and bounds[0] > bounds[1]:
                names = {one.setting: one.key for one in CATALOG[entry.rule].parameters}
                key = names[low if low in values else high]
                words = f"Let {names[low]} be at most {names[high]}"
                self._tell(key, f"{words}: now they are {bounds[0]:g} and {bounds[1]:g}.")

    def _tell(self, key: str, message: str) -> None:
        rule, index = self._place
        where = f"{rule}.{key}" if key else rule
        self.problems.append(Problem(self._lines.find(rule, index, key), where, message))


def word_key(parameter: Parameter) -> str:
    """Return the key that takes a word for a parameter."""
    return "policy" if parameter.words else ""


def read_entries(rows: Sequence[Mapping[str, Any]], settings: RuleSettings) -> tuple[Entry, ...]:
    """Return the entries of rows that a page or program sends, each a table of the file with its ``rule``.

    Raises RulesError.
    """
    reader = _Reader(_Lines(""), settings)
    entries: list[Entry] = []
    for index, row in enumerate(rows):
        rule = str(row.get("rule", ""))
        found = reader.read({rule: {key: value for key, value in row.items() if key != "rule"}})
        entries += [replace(entry, line=index) for entry in found]
    if reader.problems:
        raise RulesError.of(reader.problems)
    return tuple(entries)


def _as_tables(tables: Any) -> list[Any]:
    return cast("list[Any]", tables) if isinstance(tables, list) else [tables]


def _nearest(word: str, known: Any) -> str:
    found = get_close_matches(word, list(known), n=1)
    return f"Did you mean {found[0]}?" if found else f"There are {', '.join(known)}."


def _quoted(words: Any) -> str:
    return ", ".join(f'"{word}"' for word in words)
