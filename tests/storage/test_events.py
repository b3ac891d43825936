"""Events in the store: durable with the next commit, listed as asked, and an exact record of each host's status."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from proxmon.board import Board, PastBoard
from proxmon.bus import Bus
from proxmon.config import RetentionSettings, RuleSettings
from proxmon.events import (
    MAX_CHARACTERS,
    QUIET_SUBJECTS,
    STATUS_KINDS,
    Event,
    EventKind,
    EventRequest,
    Recorded,
    StepRequest,
)
from proxmon.findings import Status
from proxmon.fleet import Fleet, Host
from proxmon.limits import WORD_CHARACTERS
from proxmon.payload import FastPayload, Tier
from proxmon.recorder import Recorder
from proxmon.runtime import resume
from proxmon.samples import Sample
from storage import Store
from tests.builders import (
    DAY,
    NOW,
    a_dataset,
    a_fast_payload,
    a_medium_payload,
    a_pool,
    a_sample,
    a_slow_payload,
    iso,
)
from tests.storage.conftest import SECRET, Query

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TICK = timedelta(microseconds=1)
RULES = RuleSettings()


def an_event(host: Host, second: int = 0, kind: EventKind = EventKind.STATUS, **changes: object) -> Event:
    at = NOW + second * SECOND
    event = Event(host.id, at, kind, was="ok", became="warning", message="rpool is 85 % full", recorded_at=at)
    return replace(event, host=host.name, **changes)


def test_an_event_comes_back_as_it_was_stored(store: Store, host: Host) -> None:
    event = an_event(host, rule="r", subject="s", started_at=NOW - HOUR)
    store.append_events([event])
    store.settle()
    assert store.list_events(EventRequest(kinds=STATUS_KINDS)) == [event]


def test_events_come_with_the_samples_that_wait_beside_them(store: Store, host: Host) -> None:
    future = store.append_events([an_event(host)])
    store.append([a_sample(host.id)]).result()
    store.settle()
    assert future.done()
    assert len(store.list_events(EventRequest(kinds=STATUS_KINDS))) == 1


def test_what_administrators_did_is_among_the_events(store: Store, host: Host) -> None:
    store.rotate_host(host.id, SECRET, NOW)
    store.record_goodbye(host.id, NOW + SECOND, "reboot")
    told = store.list_events(EventRequest())
    assert [(event.kind, event.message) for event in told] == [
        (EventKind.GOODBYE, "reboot"),
        (EventKind.ROTATED, ""),
        (EventKind.ADDED, ""),
    ]


def test_events_are_chosen_by_host_kind_and_time(store: Store, host: Host) -> None:
    other = store.add_host("pve-02", SECRET, NOW - DAY)
    scrub = an_event(host, 5, EventKind.SCRUB)
    store.append_events([an_event(host, 1), an_event(other, 2), an_event(host, 3), scrub])
    store.settle()

    def seconds(**asked: object) -> list[float]:
        told = store.list_events(EventRequest(**({"kinds": STATUS_KINDS} | asked)))  # pyright: ignore[reportArgumentType]
        return [(event.happened_at - NOW).total_seconds() for event in told]

    assert seconds() == [3, 2, 1]
    assert seconds(host="pve-02") == [2]
    assert seconds(kinds=frozenset({EventKind.SCRUB})) == [5]
    assert seconds(since=NOW + 2 * SECOND, until=NOW + 3 * SECOND) == [2]
    assert seconds(limit=2) == [3, 2]
    assert seconds(limit=1, is_oldest_first=True) == [1]
    assert seconds(known_at=NOW + 2 * SECOND) == [2, 1]


def test_one_steps_from_one_recorded_moment_to_the_next(store: Store, host: Host) -> None:
    other = store.add_host("pve-02", SECRET, NOW - DAY)
    late = an_event(host, 1, recorded_at=NOW + 9 * SECOND)
    store.append_events([late, an_event(other, 4), an_event(host, 6)])
    store.settle()

    def step(second: int, *, is_forward: bool, name: str | None = None) -> float | None:
        found = store.find_step(StepRequest(NOW + second * SECOND, is_forward, name))
        return (found - NOW).total_seconds() if found else None

    assert [step(second, is_forward=True) for second in (3, 4, 6, 9)] == [4, 6, 9, None]
    assert [step(second, is_forward=False) for second in (9, 8, 5)] == [9, 6, 4]
    assert step(4, is_forward=True, name="pve-02") is None
    assert step(8, is_forward=False, name="pve-02") == 4


def test_a_page_of_events_ends_with_a_whole_moment(store: Store, host: Host) -> None:
    store.append_events([an_event(host, 1), *(an_event(host, subject=str(number)) for number in range(3))])
    store.settle()
    told = store.list_events(EventRequest(kinds=STATUS_KINDS, limit=2))
    assert [event.subject for event in told] == ["", "0", "1", "2"]


def test_events_go_with_their_host(store: Store, host: Host, query: Query) -> None:
    store.append_events([an_event(host)])
    store.settle()
    store.delete_host(host.id, NOW, keep_history=False)
    store.append_events([an_event(host)])
    store.settle()
    assert query("SELECT count(*) FROM base.events") == [(0,)]


def test_the_state_before_the_first_event_is_what_that_event_says(store: Store, host: Host) -> None:
    store.append_events([an_event(host, was="offline", became="ok", kind=EventKind.ONLINE)])
    store.settle()
    before, after = (store.snapshot(at).hosts[0].recorded for at in (NOW - SECOND, NOW))
    assert before == Recorded(Status.OFFLINE)
    assert after == Recorded(Status.OK, NOW, NOW, NOW)


def test_events_add_up_to_the_same_in_memory_and_in_the_store(store: Store, host: Host) -> None:
    events = [
        an_event(host, 1, EventKind.ONLINE, was="offline", became="warning"),
        an_event(host, 1, EventKind.FINDING, rule="zpool_capacity", subject="rpool", was=None, became="warning"),
        an_event(host, 2, EventKind.FINDING, rule="zpool_capacity", subject="rpool", was="warning", became=None),
        an_event(host, 2, EventKind.STATUS, was="warning", became="ok"),
        an_event(host, 3, EventKind.OFFLINE, was="ok", became="offline"),
        an_event(host, 4, EventKind.ONLINE, was="offline", became="ok"),
        an_event(host, 4, EventKind.FINDING, rule="clock_offset", was=None, became="warning"),
    ]
    store.append_events(events)
    store.settle()
    for count in range(1, len(events) + 1):
        if count < len(events) and events[count].happened_at == events[count - 1].happened_at:
            continue
        known = store.snapshot(events[count - 1].happened_at).hosts[0].recorded
        assert known == Recorded().with_events(events[:count])


class Life:
    """A store, and the server's board before it, in a time of their own."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        self.hosts = [store.add_host(f"pve-{number:02}", SECRET, NOW) for number in range(2)]
        self.start()

    def start(self) -> None:
        hosts = self.store.snapshot().hosts
        recorder = Recorder(self.store, RULES, lambda: self.now)
        resume(recorder, self.store, hosts)
        self.board = Board(Fleet(hosts), RULES, Bus(), lambda: self.now, recorder)

    def restart(self, away: timedelta) -> None:
        self.store.settle()
        self.now += away
        self.start()

    def pass_time(self, span: timedelta) -> None:
        end = self.now + span
        while self.now < end:
            self.now = min(end, self.now + SECOND)
            self.board.tick()

    def hear(self, *samples: Sample) -> None:
        self.store.append(samples).result()
        self.board.accept(samples[0].host_id, samples, self.now)

    def leave(self, host: Host) -> None:
        self.store.record_goodbye(host.id, self.now, None)
        judged = self.board.find(host.id)
        assert judged is not None
        self.board.put(replace(judged.snapshot, left_at=self.now), self.now)

    def statuses(self) -> dict[int, list[tuple[datetime, Status]]]:
        """Return what was recorded: each status with its moment, by host, the first first."""
        told = self.store.list_events(EventRequest(kinds=STATUS_KINDS, limit=100_000, is_oldest_first=True))
        found: dict[int, list[tuple[datetime, Status]]] = {host.id: [(NOW, Status.OFFLINE)] for host in self.hosts}
        for event in told:
            found[event.host_id].append((event.happened_at, Status(event.became or "")))
        return found

    def differences(self, moments: list[datetime]) -> list[object]:
        """List where a snapshot of a moment is judged otherwise than was recorded then."""
        recorded, wrong = self.statuses(), list[object]()
        for at in moments:
            board = PastBoard(self.store.snapshot(at), RULES)
            for host_id, told in recorded.items():
                then = [status for moment, status in told if moment <= at][-1]
                judged = board.find(host_id)
                assert judged is not None
                if judged.status.status is not then:
                    wrong.append((host_id, at - NOW, then, judged.status))
        return wrong


SEEDS = pytest.mark.parametrize("seed", range(60 if os.environ.get("PROXMON_SOAK") else 3))


def payloads(chance: random.Random, at: datetime) -> dict[str, dict[str, object]]:
    """Return what a host says: mostly that it is well."""
    pool = a_pool(
        health=chance.choice(["ONLINE"] * 4 + ["DEGRADED"]),
        capacity_percent=chance.choice([50, 50, 50, 85, 95]),
        last_scrub_end=iso(at - 35 * DAY + chance.choice([100, 100_000]) * SECOND),
        scan=None,
    )
    failed = {"error": "zpool: command not found"}
    zpools = {"pools": [pool]} if chance.random() < 0.9 else failed
    taken = (at - 30 * DAY + chance.choice([50, 5_000_000]) * SECOND).timestamp()
    dataset = a_dataset(oldest_snapshot_unix=taken, newest_snapshot_unix=taken)
    return {
        "fast": a_fast_payload(zfs_pools=zpools),
        "medium": a_medium_payload(zfs_datasets={"datasets": [dataset]}),
        "slow": a_slow_payload(),
    }


def live(life: Life, chance: random.Random, steps: int) -> None:
    """Let time pass as it does: samples, late ones, silence, goodbyes, restarts."""
    for _ in range(steps):
        host = chance.choice(life.hosts)
        deed = chance.random()
        if deed < 0.7:
            tier = chance.choice(["fast"] * 6 + ["medium", "slow"])
            at = life.now - chance.choice([0] * 6 + [3, 45]) * SECOND
            said = payloads(chance, at)[tier]
            life.hear(a_sample(host.id, tier, said, collected_at=at, received_at=life.now, observed_at=at))
        elif deed < 0.73:
            life.leave(host)
        elif deed < 0.76:
            life.restart(chance.choice([2, 20, 200]) * SECOND)
        life.pass_time(chance.choice([1, 4, 9, 9, 9, 31, 65]) * SECOND)


@SEEDS
def test_a_past_moment_has_the_statuses_that_were_recorded_then(store: Store, seed: int) -> None:
    chance, life = random.Random(seed), Life(store)
    live(life, chance, 50)
    assert life.differences(asked_moments(life, chance)) == []


@SEEDS
def test_old_moments_have_the_statuses_that_were_recorded_then(store: Store, directory: Path, seed: int) -> None:
    chance, life = random.Random(seed), Life(store)
    live(life, chance, 50)
    moments = asked_moments(life, chance)
    store.close()
    life.store = Store.open(directory, retention=RetentionSettings(fast_payload_days=1, row_days=1))
    life.store.keep_up(life.now + 3 * DAY)
    assert life.differences(moments) == []
    with life.store._database.writer().cursor() as cursor:
        cursor.execute("DELETE FROM base.kept_samples")
    assert life.differences(moments) == []
    life.store.close()


def asked_moments(life: Life, chance: random.Random) -> list[datetime]:
    """Return some moments around changes of status, and some of any time."""
    told = [at for host in life.statuses().values() for at, _ in host]
    edges = [at + step for at in told for step in (-TICK, TICK * 0, TICK)]
    length = (life.now - NOW).total_seconds()
    anytime = [NOW + chance.uniform(0, length) * SECOND for _ in range(15)]
    return [at for at in [*chance.sample(edges, min(30, len(edges))), *anytime] if NOW <= at <= life.now]


LONG = "x" * 100_000
INSERT_LONG = """
INSERT INTO base.events SELECT host_id, $at, $at, 'finding', 'zpool_health', $subject, 'ok', 'critical', $message, NULL
FROM base.hosts
"""


def test_long_texts_of_before_are_read_cut(store: Store, host: Host) -> None:
    with store._database.writer().cursor() as cursor:
        for number in range(3):
            at = (NOW + number * SECOND).replace(tzinfo=None)
            cursor.execute(INSERT_LONG, {"at": at, "subject": f"{number}{LONG}", "message": LONG})
    store.append_events([an_event(host)])
    store.settle()
    recorded = store.snapshot().hosts[0].recorded
    assert recorded is not None
    told = store.list_events(EventRequest(kinds=frozenset({EventKind.FINDING})))
    since = [one for one in store.list_recorded_since(NOW - SECOND) if one.kind is EventKind.FINDING]
    assert [len(told), len(since), len(recorded.verdicts)] == [3, 3, 3]
    texts = [(one.subject, one.message) for one in (*told, *since)]
    texts += [(subject, mark.message) for (_, subject), mark in recorded.verdicts.items()]
    assert {len(text) for pair in texts for text in pair} == {MAX_CHARACTERS}


def test_of_subjects_that_are_quiet_the_newest_of_each_rule_are_read(store: Store, host: Host) -> None:
    gone = [an_event(host, n, EventKind.FINDING, rule="r", subject=f"p{n}", became=None) for n in range(1_200)]
    failing = [an_event(host, 0, EventKind.FINDING, rule="r", subject=f"q{n}", became="critical") for n in range(1_200)]
    well = [an_event(host, 0, EventKind.FINDING, rule="other", subject="p", became="ok")]
    store.append_events([an_event(host), *failing, *well, *gone])
    store.settle()
    recorded = store.snapshot().hosts[0].recorded
    assert recorded is not None
    assert recorded == Recorded(Status.WARNING, NOW, None, NOW).with_events([*failing, *well, *gone])
    assert len(recorded.verdicts) == 1_200 + 1 + QUIET_SUBJECTS
    assert ("r", "p199") not in recorded.verdicts
    assert recorded.verdict("r", "q0") == "critical"


def test_a_sample_that_was_stored_before_texts_had_a_limit_is_shown_after_a_restart(
    store: Store, host: Host, directory: Path
) -> None:
    # The store does not look at the payload: it was read when it came.
    store.append([a_sample(host.id, payload=a_fast_payload(zfs_pools={"pools": [a_pool(name=LONG)]}))]).result()
    store.close()
    again = Store.open(directory)
    for at in (None, NOW):
        payload = again.snapshot(at).hosts[0].samples[Tier.FAST].payload
        assert isinstance(payload, FastPayload)
        assert payload.zfs_pools is not None
        assert [len(pool.name) for pool in payload.zfs_pools.pools or ()] == [WORD_CHARACTERS]
    again.close()
