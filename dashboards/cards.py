"""The overview's cards: a judged host as the few values that its card shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from dashboards.formats import duration, share, size, unix
from dashboards.newest import Newest
from dashboards.wording import finding_words, rule_label
from proxmon.board import Board, JudgedHost, PastBoard
from proxmon.findings import Verdict
from proxmon.guests import count_guests
from proxmon.payload import Pool, Tier
from proxmon.rulebook.book import RuleBook
from proxmon.rules.words import listed
from proxmon.rules.zpools import capacity_percent

Card = dict[str, Any]

# What is not known is null, so that the browser shows a dash.
NO_VALUES: Card = {
    "load": None,
    "cpu": None,
    "memory": None,
    "memory_text": "",
    "capacity": None,
    "capacity_pool": "",
    "capacity_verdict": "unknown",
    "zpools_ok": None,
    "zpools": None,
    "running": None,
    "guests": None,
}


def make_card(judged: JudgedHost, rules: RuleBook, now: datetime) -> Card:
    """Return what a host's card shows. Values that are not known now are None, never the last known ones."""
    newest = Newest(judged, rules, now)
    return {
        "id": judged.id,
        "name": judged.name,
        "status": judged.status.status.value,
        "unknown": 0 if newest.is_offline else judged.status.unknown_count,
        "seen": unix(judged.snapshot.last_seen_at),
        "meta": _meta(newest),
        **_why(judged),
        **NO_VALUES,
        **_host_values(newest),
        **_zpool_values(newest),
        **_guest_values(newest),
    }


def changed_fields(before: Card, after: Card) -> Card:
    """Return what a browser has to be told: the id and the fields that differ; empty when none does."""
    changed = {name: value for name, value in after.items() if before.get(name, _ABSENT) != value}
    return {"id": after["id"], **changed} if changed else {}


_ABSENT = object()


def _meta(newest: Newest) -> str:
    system, uptime = newest.system, newest.host.uptime_seconds
    version = f"PVE {system.pve_version}" if system.pve_version else system.kernel and f"Linux {system.kernel}"
    up = f"up {duration(uptime)}" if uptime is not None and newest.is_current(Tier.FAST, "host") else None
    return " · ".join(part for part in (version, up) if part)


def _why(judged: JudgedHost) -> Card:
    failed = [one for one in judged.status.findings if one.verdict not in (Verdict.OK, Verdict.UNKNOWN)]
    worst = judged.status.worst_finding
    if worst is None:
        return {"why": _unknown_words(judged), "why_since": None, "since": None, "more": 0}
    words = finding_words(judged, worst)
    since = None if words.since else judged.find_since(worst)
    return {"why": words.text, "why_since": unix(words.since), "since": unix(since), "more": len(failed) - 1}


def _unknown_words(judged: JudgedHost) -> str:
    unknown = [rule_label(one.rule) for one in judged.status.findings if one.verdict is Verdict.UNKNOWN]
    return f"Cannot be judged: {listed(unknown, most=2)}" if unknown else "Every rule passes"


def _host_values(newest: Newest) -> Card:
    if not newest.is_current(Tier.FAST, "host"):
        return {}
    host = newest.host
    used, total = host.mem_used_bytes, host.mem_total_bytes
    return {
        "load": host.load1,
        "cpu": _rounded(host.cpu_percent),
        "memory": _rounded(share(used, total)),
        "memory_text": "" if used is None else f"{size(used)} of {size(total)}",
    }


def _zpool_values(newest: Newest) -> Card:
    pools = newest.pools
    if pools is None or not newest.is_current(Tier.FAST, "zfs_pools"):
        return {}
    values: Card = {"zpools_ok": sum(pool.health == "ONLINE" for pool in pools), "zpools": len(pools)}
    fullest = max(pools, key=_fill, default=None)
    if fullest is not None and capacity_percent(fullest) is not None:
        verdict = _capacity_verdict(newest.judged, fullest.name)
        values |= {"capacity": _rounded(_fill(fullest)), "capacity_pool": fullest.name, "capacity_verdict": verdict}
    return values


def _fill(pool: Pool) -> float:
    percent = capacity_percent(pool)
    return -1.0 if percent is None else percent


def _capacity_verdict(judged: JudgedHost, pool: str) -> str:
    finding = judged.status.find("zpool_capacity")
    details = finding.details if finding else ()
    return next((detail.verdict.value for detail in details if detail.subject == pool), Verdict.UNKNOWN.value)


def _guest_values(newest: Newest) -> Card:
    counted = count_guests(newest.judged)
    if counted is None or not newest.is_current(Tier.FAST, "vms_runtime"):
        return {}
    running, guests = counted
    return {"running": running, "guests": guests}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


class Cards:
    """The cards of a board, made once per verdict and shared by all open pages."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[JudgedHost, Card]] = {}

    def get(self, judged: JudgedHost, rules: RuleBook, now: datetime) -> Card:
        """Return the card of a host; do not change it."""
        known = self._made.get(judged.id)
        if known is not None and known[0] is judged:
            return known[1]
        card = make_card(judged, rules, now)
        self._made[judged.id] = (judged, card)
        return card

    def forget(self, host_id: int) -> None:
        """Drop the card of a host that is gone."""
        self._made.pop(host_id, None)


_by_board: WeakKeyDictionary[Board | PastBoard, Cards] = WeakKeyDictionary()


def cards_of(board: Board | PastBoard) -> Cards:
    """Return the cards of a board, the same object for every page."""
    return _by_board.setdefault(board, Cards())
