"""Entries of the rules' text, changed one by one."""

from __future__ import annotations

import pytest

from proxmon.config import RuleSettings
from proxmon.errors import RulesError
from proxmon.rulebook.catalog import CATALOG
from proxmon.rulebook.reading import read_rules
from proxmon.rulebook.writing import put_entry

SCRUB = CATALOG["scrub_age"]
TEXT = """# ours
[[scrub_age]]
max_days = 40  # a month and some

[[scrub_age]]
pool = "tank"
max_days = 50
"""


def test_an_entry_of_the_same_patterns_is_changed_and_comments_stay() -> None:
    changed = put_entry(TEXT, SCRUB, "*", "tank", {"max_days": 60, "alert": False})
    assert "# ours" in changed
    assert "# a month and some" in changed
    assert 'pool = "tank"\nmax_days = 60\nalert = false' in changed


def test_other_patterns_make_an_entry_of_their_own() -> None:
    changed = put_entry(TEXT, SCRUB, "pve-*", "", {"max_days": 70})
    entries = read_rules(changed, RuleSettings())
    assert [(one.host, one.subject, one.values["scrub_max_days"]) for one in entries] == [
        ("", "", 40),
        ("", "tank", 50),
        ("pve-*", "", 70),
    ]


def test_what_is_taken_back_goes_and_an_entry_without_values_too() -> None:
    changed = put_entry(TEXT, SCRUB, "", "tank", {"max_days": None})
    assert [one.subject for one in read_rules(changed, RuleSettings())] == [""]
    assert read_rules(put_entry(changed, SCRUB, "", "", {"max_days": None}), RuleSettings()) == ()


def test_a_first_entry_makes_its_table() -> None:
    text = put_entry("", SCRUB, "", "", {"max_days": 9})
    assert text == "[[scrub_age]]\nmax_days = 9\n"
    assert put_entry("", SCRUB, "", "", {}) == ""


@pytest.mark.parametrize("text", ["[[scrub_age", "scrub_age = 3", "[scrub_age]\nmax_days = 3"])
def test_a_text_that_cannot_be_changed_is_told(text: str) -> None:
    with pytest.raises(RulesError):
        put_entry(text, SCRUB, "", "", {"max_days": 9})


def test_hostile_patterns_stay_text() -> None:
    changed = put_entry("", SCRUB, '"]]\n[[offline]]\nalert = false\n#', "", {"max_days": 9})
    assert {one.rule for one in read_rules(changed, RuleSettings())} == {"scrub_age"}
