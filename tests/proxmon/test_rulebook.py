"""Rules of one's own: what wins, what holds, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxmon.config import RuleSettings, Settings
from proxmon.errors import RulesError
from proxmon.findings import Finding, Status, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.catalog import CATALOG, Hold
from proxmon.rulebook.explain import explain_host
from proxmon.rulebook.file import RulesFile, load_book
from proxmon.rulebook.reading import read_rules
from proxmon.status import RULE_NAMES, HostStatus, evaluate
from tests.builders import DAY, NOW, a_dataset, a_fast_payload, a_host, a_medium_payload, a_pool, a_sample, a_snapshot

SETTINGS = RuleSettings()


def a_book(text: str) -> RuleBook:
    return RuleBook(SETTINGS, read_rules(text, SETTINGS))


def with_pools(*pools: dict[str, Any], host: str = "pve-01") -> HostSnapshot:
    sample = a_sample(payload=a_fast_payload(zfs_pools={"pools": list(pools)}))
    return a_snapshot(sample, host=a_host(name=host))


def judge(host: HostSnapshot, text: str) -> HostStatus:
    return evaluate(host, a_book(text), NOW)


def finding(host: HostSnapshot, text: str, rule: str) -> Finding:
    found = judge(host, text).find(rule)
    assert found is not None
    return found


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(RulesError) as caught:
        read_rules(text, SETTINGS)
    return caught.value.problems


def test_every_rule_can_be_set() -> None:
    assert set(CATALOG) == set(RULE_NAMES)


def test_a_threshold_for_the_fleet_counts_for_the_light() -> None:
    host = with_pools(a_pool(capacity_percent=82))
    assert judge(host, "").status is Status.WARNING
    assert judge(host, "[[zpool_capacity]]\nwarning_percent = 85").status is Status.OK
    assert finding(host, "[[zpool_capacity]]\nwarning_percent = 82", "zpool_capacity").verdict is Verdict.WARNING


def test_a_host_pattern_chooses_hosts_in_any_case() -> None:
    text = '[[zpool_capacity]]\nhost = "BACKUP-*"\nwarning_percent = 85'
    full = a_pool(capacity_percent=82)
    assert judge(with_pools(full, host="backup-1"), text).status is Status.OK
    assert judge(with_pools(full, host="pve-01"), text).status is Status.WARNING


def test_a_pool_has_thresholds_of_its_own_and_says_so() -> None:
    text = '[[zpool_capacity]]\npool = "tank*"\nwarning_percent = 95\ncritical_percent = 97'
    found = finding(
        with_pools(a_pool(name="rpool", capacity_percent=85), a_pool(name="tank-2", capacity_percent=94)),
        text,
        "zpool_capacity",
    )
    assert [(one.subject, one.verdict.value) for one in found.details] == [("rpool", "warning"), ("tank-2", "ok")]
    assert [one.threshold for one in found.details] == [
        "warning from 80 %, critical above 90 %",
        "warning from 95 %, critical above 97 %",
    ]
    assert found.threshold == "warning from 80 %, critical above 90 %"


@pytest.mark.parametrize(
    ("wins", "loses"),
    [
        ('pool = "tank"', 'host = "pve-01"'),
        ('pool = "tank"', 'pool = "tan*"'),
        ('pool = "tan*"', 'pool = "t*"'),
        ('pool = "t*"\nhost = "pve-01"', 'pool = "t*"\nhost = "pve*"'),
        ('host = "pve-01"', 'host = "pve-0*"'),
        ('host = "pve-01"', ""),
    ],
)
def test_the_most_specific_wins_wherever_it_stands(wins: str, loses: str) -> None:
    strict = f"[[zpool_capacity]]\n{loses}\nwarning_percent = 10\n"
    mild = f"[[zpool_capacity]]\n{wins}\nwarning_percent = 60\n"
    for text in (strict + mild, mild + strict):
        assert a_book(text).of_host("pve-01").choose("zpool_capacity", "tank").settings.capacity_warning_percent == 60


def test_of_equal_ones_the_later_wins_key_by_key() -> None:
    text = "[[scrub_age]]\nmax_days = 40\nfor_samples = 9\n[[scrub_age]]\nmax_days = 50\n"
    choice = a_book(text).of_host("pve-01").choose("scrub_age", "tank")
    assert (choice.settings.scrub_max_days, choice.policy.opens) == (50, Hold(9, 0.0))


def test_a_warning_beyond_a_critical_said_elsewhere_moves_it() -> None:
    book = a_book(
        '[[zpool_capacity]]\ncritical_percent = 85\n[[zpool_capacity]]\npool = "tank"\nwarning_percent = 84\n'
    )
    tank = book.of_host("pve-01").choose("zpool_capacity", "tank").settings
    assert (tank.capacity_warning_percent, tank.capacity_critical_percent) == (84, 85)


def test_a_severity_is_given_to_what_fails_and_to_nothing_else() -> None:
    text = '[[zpool_capacity]]\npool = "tank"\nseverity = "critical"'
    details = finding(
        with_pools(a_pool(name="tank", capacity_percent=82), a_pool(name="rpool")), text, "zpool_capacity"
    ).details
    assert [one.verdict for one in details] == [Verdict.CRITICAL, Verdict.OK]
    broken = with_pools(a_pool(health="DEGRADED"))
    assert judge(broken, '[[zpool_health]]\nseverity = "warning"').status is Status.WARNING


def test_a_rule_that_is_off_is_neither_passed_nor_unknown() -> None:
    status = judge(with_pools(a_pool(health="DEGRADED")), "[[zpool_health]]\non = false")
    assert status.status is Status.OK
    assert status.find("zpool_health") is None
    assert [(one.rule, one.is_off) for one in status.skipped if one.rule == "zpool_health"] == [("zpool_health", True)]


def test_a_rule_that_is_off_for_one_pool_judges_the_others() -> None:
    text = '[[zpool_health]]\npool = "old"\non = false'
    host = with_pools(a_pool(name="old", health="FAULTED"), a_pool(name="tank", health="DEGRADED"))
    assert [one.subject for one in finding(host, text, "zpool_health").details] == ["tank"]


def test_collection_and_clock_take_a_severity() -> None:
    failed = a_snapshot(a_sample(payload=a_fast_payload(storage={"error": "no"}), clock_offset_seconds=90.0))
    text = '[[collection]]\nseverity = "critical"\n[[clock_offset]]\nseverity = "critical"'
    status = judge(failed, text)
    assert {one.rule for one in status.findings if one.verdict is Verdict.CRITICAL} == {"collection", "clock_offset"}


def test_datasets_have_their_own_age() -> None:
    old = (NOW - 100 * DAY).timestamp()
    rows = [a_dataset(name="rpool/archive/a", oldest_snapshot_unix=old), a_dataset(name="rpool/data")]
    host = a_snapshot(a_sample(), a_sample(tier="medium", payload=a_medium_payload(zfs_datasets={"datasets": rows})))
    assert judge(host, "").status is Status.WARNING
    text = '[[snapshot_age]]\ndataset = "rpool/archive/*"\nmax_days = 400'
    found = finding(host, text, "snapshot_age")
    assert (found.verdict, found.details[0].threshold) == (Verdict.OK, "warning when older than 400 d")
    strict = finding(host, text.replace("400", "99") + '\nseverity = "critical"', "snapshot_age")
    assert [one.verdict for one in strict.details] == [Verdict.CRITICAL, Verdict.OK]
    assert strict.message == "rpool/archive/a: its oldest snapshot is 100 d old"


def test_the_dataset_that_is_off_is_not_judged() -> None:
    old = (NOW - 100 * DAY).timestamp()
    rows = [a_dataset(name="rpool/archive", oldest_snapshot_unix=old), a_dataset(name="rpool/data")]
    host = a_snapshot(a_sample(), a_sample(tier="medium", payload=a_medium_payload(zfs_datasets={"datasets": rows})))
    found = finding(host, '[[snapshot_age]]\ndataset = "rpool/archive"\non = false', "snapshot_age")
    assert [one.subject for one in found.details] == ["rpool/data"]


# Mistakes.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[scrub_agee]]\nmax_days = 3", "line 1: scrub_agee: There is no such rule. Did you mean scrub_age?"),
        (
            "\n[[scrub_age]]\nmax_day = 3",
            "line 3: scrub_age.max_day: scrub_age has no such key. Did you mean max_days?",
        ),
        (
            '[[scrub_age]]\nmax_days = "x"',
            "line 2: scrub_age.max_days: Write a number from 0, not 'x'.",
        ),
        ("[[scrub_age]]\nmax_days = inf", "line 2: scrub_age.max_days: Write a number from 0, not inf."),
        ("[[scrub_age]]\nmax_days = nan", "line 2: scrub_age.max_days: Write a number from 0, not nan."),
        ("[[scrub_age]]\nmax_days = true", "line 2: scrub_age.max_days: Write a number from 0, not True."),
        ("[[scrub_age]]\non = 1", "line 2: scrub_age.on: Write true or false, not 1."),
        (
            "[[offline]]\non = false",
            "line 2: offline.on: offline cannot be switched off; `alert = false` keeps it from alerting.",
        ),
        (
            '[[offline]]\nseverity = "warning"',
            "line 2: offline.severity: offline has no severity: a host is offline, or it is not.",
        ),
        (
            '[[zpool_health]]\nseverity = "bad"',
            'line 2: zpool_health.severity: Write one of "warning", "critical", not \'bad\'.',
        ),
        (
            "[[zpool_health]]\nfor_samples = 1.5",
            "line 2: zpool_health.for_samples: Write a whole number from 1 to 1000, not 1.5.",
        ),
        (
            "[[zpool_capacity]]\nwarning_percent = 95",
            "line 2: zpool_capacity.warning_percent: Let warning_percent be at most critical_percent: "
            "now they are 95 and 90.",
        ),
        (
            '[[zpool_health]]\npool = ""',
            "line 2: zpool_health.pool: Write a name or a pattern such as \"tank*\", not ''.",
        ),
        ("zpool_health = 3", "line 1: zpool_health: Write [[zpool_health]] on a line of its own, and its keys below."),
    ],
)
def test_a_mistake_is_told_by_line_and_key_with_what_to_write(text: str, says: str) -> None:
    assert problems(text) == (says,)


def test_the_key_of_another_rule_s_subject_is_a_mistake() -> None:
    (problem,) = problems('[[zpool_health]]\ndataset = "tank/a"')
    assert problem.startswith("line 2: zpool_health.dataset: zpool_health has no such key.")


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems("[[nothing]]\n[[scrub_age]]\na = 1\nb = 2")) == 3


def test_what_is_no_toml_is_told_with_its_line() -> None:
    (problem,) = problems("[[scrub_age]\nmax_days = 3")
    assert "line 1" in problem


@pytest.mark.parametrize("text", ["[" * 50_000, "#" * 200_001, "a" * 1_000 + " = 1", "\x00", "scrub_age = [[1], {}]"])
def test_hostile_text_is_refused_as_well(text: str) -> None:
    assert problems(text)


# Where values come from.


def test_every_value_says_where_it_comes_from() -> None:
    settings = RuleSettings(snapshot_max_days=60)
    text = '[[scrub_age]]\nmax_days = 40\n\n[[zpool_capacity]]\nhost = "pve*"\npool = "tank"\nwarning_percent = 70\n'
    book = RuleBook(settings, read_rules(text, settings))
    found = {(one.rule, one.subject, one.key): (one.value, one.origin) for one in explain_host(book, "pve-01")}
    assert found["scrub_age", "", "max_days"] == (40, "line 1")
    assert found["snapshot_age", "", "max_days"] == (60, "PROXMON_SNAPSHOT_MAX_DAYS")
    assert found["zpool_capacity", "", "warning_percent"] == (80, "default")
    assert found["zpool_capacity", "tank", "warning_percent"] == (70, "line 4, for hosts pve*")
    assert ("zpool_capacity", "tank", "critical_percent") not in found
    assert ("zpool_capacity", "tank", "warning_percent") not in {
        (one.rule, one.subject, one.key) for one in explain_host(book, "other")
    }


# The file.


def a_file(directory: Path, text: str | None = None) -> RulesFile:
    if text is not None:
        (directory / "rules.toml").write_text(text)
    return RulesFile(Settings(data=str(directory)))


def days(file: RulesFile) -> float:
    return file.loaded.book.of_host("pve-01").settings.scrub_max_days


def test_without_a_file_the_settings_hold(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    assert (days(file), file.loaded.problem, file.poll()) == (35, None, None)


def test_a_file_is_read_again_when_it_changed_and_only_then(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[[scrub_age]]\nmax_days = 40")
    assert (days(file), file.poll()) == (40, None)
    (tmp_path / "rules.toml").write_text("[[scrub_age]]\nmax_days = 400")
    assert file.poll() is not None
    assert days(file) == 400
    (tmp_path / "rules.toml").unlink()
    assert file.poll() is not None
    assert days(file) == 35


def test_a_broken_file_keeps_the_rules_before_it_also_over_a_restart(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[[scrub_age]]\nmax_days = 40")
    (tmp_path / "rules.toml").write_text("[[scrub_age]]\nmax_days = -1")
    changed = file.poll()
    assert changed is not None
    assert "line 2" in str(changed.problem)
    assert days(file) == 40
    restarted = a_file(tmp_path)
    assert (days(restarted), restarted.loaded.problem is None) == (40, False)
    assert load_book(Settings(data=str(tmp_path))).of_host("pve-01").settings.scrub_max_days == 40


def test_a_text_that_cannot_be_used_is_not_written(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[[scrub_age]]\nmax_days = 40")
    with pytest.raises(RulesError):
        file.write("[[scrub_age]]\nmax_days = -1")
    assert (tmp_path / "rules.toml").read_text() == "[[scrub_age]]\nmax_days = 40"
    file.write("# mine\n[[scrub_age]]\nmax_days = 41")
    assert file.poll() is not None
    assert days(file) == 41


def test_what_reads_the_rules_only_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[scrub_age]]\nmax_days = 40")
    load_book(Settings(data=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["rules.toml"]


def test_a_file_that_is_a_directory_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").mkdir()
    assert "readable" in str(a_file(tmp_path).loaded.problem)
    (tmp_path / "rules.toml").rmdir()
    (tmp_path / "rules.toml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in str(a_file(tmp_path).loaded.problem)


def test_a_file_that_was_named_and_is_missing_is_told_and_read_once_it_is_there(tmp_path: Path) -> None:
    named = tmp_path / "mine.toml"
    file = RulesFile(Settings(data=str(tmp_path), rules_file=str(named)))
    assert f"{named} does not exist" in str(file.loaded.problem)
    named.write_text("[[scrub_age]]\nmax_days = 40")
    assert file.poll() is not None
    assert (days(file), file.loaded.problem) == (40, None)
    named.unlink()
    assert file.poll() is not None
    assert (days(file), file.loaded.problem is None) == (40, False)
