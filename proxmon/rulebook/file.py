"""The file of the owner's rules: read when it changed, written as a whole, and never trusted before it was checked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from proxmon.config import Settings
from proxmon.control import write_private
from proxmon.errors import ReadOnlyError, RulesError
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.reading import read_rules, read_text

log = logging.getLogger(__name__)

# Beside the store, the last text that could be used: a server that starts with a broken file goes on with it.
ACCEPTED_NAME = "rules.accepted.toml"
Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rules that hold, the text they come from, and why the file's own text does not hold if it does not."""

    book: RuleBook
    text: str = ""
    problem: RulesError | None = None


class RulesFile:
    """The file and what holds of it. Unless ``is_kept``, nothing is written beside it."""

    def __init__(self, settings: Settings, *, is_kept: bool = True) -> None:
        self._is_kept = is_kept
        self.path = settings.rules_path
        self._is_named = bool(settings.rules_file)
        self._settings = settings.rules
        self._accepted = settings.data_directory / ACCEPTED_NAME
        self._mark = mark_of(self.path)
        self.loaded = self._load(self._last_accepted())

    def poll(self) -> Loaded | None:
        """Return what holds now when the file was changed since it was read last, else None."""
        mark = mark_of(self.path)
        if mark == self._mark:
            return None
        self._mark = mark
        self.loaded = self._load(self.loaded)
        return self.loaded

    def write(self, text: str) -> None:
        """Replace the file by a text, as a whole.

        Raises:
            RulesError: it cannot be used or written; ReadOnlyError when nothing is written here.
        """
        if not self._is_kept:
            raise ReadOnlyError("Change the rules where they hold: this is a copy, which is only read.")
        read_rules(text, self._settings)
        try:
            write_private(self.path, text)
        except (OSError, UnicodeEncodeError) as error:
            raise RulesError(f"Let the server write {self.path}: {error}.") from error

    def _load(self, before: Loaded) -> Loaded:
        try:
            text = read_text(self.path, is_named=self._is_named)
            entries = read_rules(text, self._settings)
        except RulesError as error:
            log.warning("%s cannot be used, and the rules before it hold: %s", self.path, error)
            return replace(before, problem=error)
        self._remember(text)
        return Loaded(RuleBook(self._settings, entries), text)

    def _last_accepted(self) -> Loaded:
        try:
            text = read_text(self._accepted)
            return Loaded(RuleBook(self._settings, read_rules(text, self._settings)), text)
        except RulesError:
            return Loaded(RuleBook(self._settings))

    def _remember(self, text: str) -> None:
        try:
            if self._is_kept and self._accepted.parent.is_dir() and text != read_text(self._accepted):
                write_private(self._accepted, text)
        except (OSError, RulesError) as error:
            log.warning("The rules that hold cannot be kept for the next start: %s", error)


def mark_of(path: Path) -> Mark | None:
    """Return what changes with a file's content; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def load_book(settings: Settings) -> RuleBook:
    """Return the rules that hold in a data directory, and write nothing."""
    return RulesFile(settings, is_kept=False).loaded.book
