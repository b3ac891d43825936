"""The overview's cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dashboards.cards import Cards, cards_of, changed_fields, make_card
from dashboards.sections import render_section
from proxmon.events import Mark, Recorded
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from tests.builders import NOW, a_fast_payload, a_guest, a_host, a_medium_payload, a_pool, a_sample, a_snapshot
from tests.dashboards.parts import RULES, a_judged, a_monitor, a_newest

MINUTE = timedelta(minutes=1)


def a_card(*pools: dict[str, object], **payload: object) -> dict[str, object]:
    changes = payload | ({"zfs_pools": {"pools": list(pools)}} if pools else {})
    fast = a_sample(payload=a_fast_payload(**changes))
    rest = (a_sample(tier="medium"), a_sample(tier="slow"))
    return make_card(a_judged(a_snapshot(fast, *rest)), RULES, NOW)


def test_a_healthy_host_shows_its_values() -> None:
    card = a_card()
    assert (card["status"], card["unknown"], card["why"]) == ("ok", 0, "Every rule passes")
    assert (card["load"], card["cpu"], card["memory"]) == (0.5, 12.5, 25.0)
    assert (card["zpools_ok"], card["zpools"], card["running"], card["guests"]) == (1, 1, 1, 1)


def test_a_degraded_pool_is_the_worst_finding_in_words() -> None:
    card = a_card(a_pool(health="DEGRADED"), a_pool(name="tank", capacity_percent=85))
    assert card["status"] == "critical"
    assert card["why"] == "rpool is DEGRADED"
    assert card["more"] == 1
    assert (card["zpools_ok"], card["zpools"]) == (1, 2)


def test_the_worst_finding_says_since_when_it_stands() -> None:
    fast = a_sample(payload=a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]}))
    marks = {("zpool_health", "rpool"): Mark("critical", NOW - MINUTE)}
    recorded = Recorded(Status.CRITICAL, NOW, judged_since=NOW, verdicts=marks)
    judged = a_judged(replace(a_snapshot(fast), recorded=recorded))
    assert make_card(judged, RULES, NOW)["since"] == (NOW - MINUTE).timestamp()
    assert a_card()["since"] is None


def test_the_fullest_pool_is_shown_with_its_verdict() -> None:
    card = a_card(a_pool(), a_pool(name="tank", capacity_percent=85))
    assert (card["capacity_pool"], card["capacity"], card["capacity_verdict"]) == ("tank", 85, "warning")


def test_an_offline_host_shows_no_values_of_the_past() -> None:
    later = NOW + 14 * MINUTE
    card = make_card(a_judged(now=later), RULES, later)
    assert card["status"] == "offline"
    assert card["unknown"] == 0
    values = ("load", "cpu", "memory", "capacity", "zpools_ok", "zpools", "running", "guests")
    assert {card[name] for name in values} == {None}


def test_the_silence_of_an_offline_host_counts_on() -> None:
    later = NOW + 14 * MINUTE
    card = make_card(a_judged(now=later), RULES, later)
    assert (card["why"], card["why_since"]) == ("No sample for {}", NOW.timestamp())


def test_a_stopped_agent_is_said_to_be_stopped() -> None:
    card = make_card(a_judged(a_snapshot(left_at=NOW)), RULES, NOW)
    assert (card["why"], card["why_since"]) == ("The agent was stopped {} ago", NOW.timestamp())


def test_a_host_that_never_connected_has_nothing_to_count_from() -> None:
    card = make_card(a_judged(HostSnapshot(a_host())), RULES, NOW)
    assert (card["why"], card["why_since"], card["seen"]) == ("Never connected", None, None)


def test_what_cannot_be_judged_is_counted_and_named() -> None:
    card = make_card(a_judged(a_snapshot(a_sample(), a_sample(tier="slow"))), RULES, NOW)
    assert (card["status"], card["unknown"]) == ("ok", 1)
    assert card["why"] == "Cannot be judged: Age of snapshots"


def test_a_failed_section_leaves_its_values_unknown() -> None:
    card = a_card(vms_runtime={"error": "pvesh: timed out"})
    assert (card["status"], card["running"], card["load"]) == ("warning", None, 0.5)


def test_guests_whose_run_state_nobody_knows_are_not_counted_as_stopped() -> None:
    fast = a_sample(payload=a_fast_payload(vms_runtime={}))
    newest = a_newest(a_snapshot(fast, a_sample(tier="medium"), a_sample(tier="slow")))
    card = make_card(newest.judged, RULES, NOW)
    assert (card["running"], card["guests"]) == (None, None)
    assert "1 guest, run state unknown." in render_section("guests", newest)


def test_templates_are_no_guests() -> None:
    card = a_card(vms_runtime={"vms": [a_guest(), a_guest(vmid=900, template=True, status="stopped")]})
    assert (card["running"], card["guests"]) == (1, 1)


def test_only_fields_that_differ_are_sent() -> None:
    before, after = a_card(), a_card(host={"load1": 0.7})
    assert changed_fields(before, before) == {}
    assert set(changed_fields(before, after)) >= {"id", "load"}
    assert "name" not in changed_fields(before, after)


def test_a_card_is_made_once_per_verdict() -> None:
    cards, judged = Cards(), a_judged()
    assert cards.get(judged, RULES, NOW) is cards.get(judged, RULES, NOW)
    again = a_judged(a_snapshot(a_sample(payload=a_medium_payload(), tier="medium")))
    assert cards.get(again, RULES, NOW) is not cards.get(judged, RULES, NOW)


def test_all_pages_of_a_board_share_its_cards() -> None:
    board = a_monitor(a_snapshot()).board
    assert cards_of(board) is cards_of(board)
