"""Delivery: what is told when, to whom, how often, and what happens when a service does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from proxmon.alerts import dispatch
from proxmon.alerts.channels import Channel, ChannelBook
from proxmon.alerts.dispatch import Dispatcher
from proxmon.alerts.messages import REPETITION, Composer, Message
from proxmon.alerts.posts import FAILURES, MOST_MESSAGES
from proxmon.alerts.silences import Silence, SilenceBook
from proxmon.alerts.tellings import Telling
from proxmon.errors import ConflictError, DeliveryError, NotFoundError, SampleError, StoreUnavailableError
from proxmon.fleet import HostSnapshot
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample
from tests.worlds import BROKEN, STEP, Memory, World

FULL = a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=85)]})
FULLER = a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=95)]})


class KeptChannels:
    """Keeps channels and tellings as the store does."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self.tellings: dict[tuple[int, int], Telling] = {}
        self.reviewed: int | None = None
        self.is_broken = False

    def add_channel(self, channel: Channel) -> Channel:
        added = replace(channel, id=len(self.channels) + 1)
        self.channels[added.id] = added
        return added

    def change_channel(self, channel: Channel) -> None:
        self.channels[channel.id] = channel

    def delete_channel(self, channel_id: int) -> None:
        del self.channels[channel_id]
        self.tellings = {key: one for key, one in self.tellings.items() if one.channel_id != channel_id}

    def list_channels(self) -> list[Channel]:
        return list(self.channels.values())

    def list_tellings(self) -> list[Telling]:
        return list(self.tellings.values())

    def put_tellings(self, tellings: Sequence[Telling], reviewed_id: int) -> None:
        if self.is_broken:
            raise StoreUnavailableError("The disk is full: make room.")
        self.reviewed = reviewed_id
        for one in tellings:
            if one.is_settled:
                self.tellings.pop(one.key, None)
            else:
                self.tellings[one.key] = one

    def reviewed_id(self) -> int | None:
        return self.reviewed


class Silences:
    """Keeps silences."""

    def __init__(self) -> None:
        self.kept: list[Silence] = []

    def add_silence(self, silence: Silence) -> Silence:
        self.kept.append(replace(silence, id=len(self.kept) + 1))
        return self.kept[-1]

    def end_silence(self, silence_id: int, at: datetime) -> None:
        self.kept = [replace(one, ends_at=at) if one.id == silence_id else one for one in self.kept]

    def list_silences(self, at: datetime) -> list[Silence]:
        return self.kept


class Services:
    """What messages are sent to: by address, each of which can refuse or hang."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Message]] = []
        self.refusing: set[str] = set()
        self.lost: set[str] = set()
        self.hanging: set[str] = set()
        self.released = threading.Event()

    def name_service(self, url: str) -> str | None:
        return "Test" if url.startswith("test://") else None

    def send(self, url: str, message: Message) -> None:
        if url in self.hanging:
            self.released.wait(60)
        if url in self.refusing:
            raise DeliveryError("Refused.")
        self.got.append((url, message))
        if url in self.lost:
            raise DeliveryError("The service did not answer.")


class Desk(World):
    """A world whose alerts are told."""

    def __init__(
        self, *names: str, kept: KeptChannels | None = None, memory: Memory | None = None, **more: Any
    ) -> None:
        hosts = [HostSnapshot(a_host(id=number, name=name)) for number, name in enumerate(names or ("pve-01",), 1)]
        super().__init__(memory, more.pop("hosts", hosts), **more)
        self.kept, self.services = kept or KeptChannels(), Services()
        self.book = ChannelBook(self.kept, self.services.name_service, lambda: self.now)
        self.silences = SilenceBook(Silences(), self.bus, lambda: self.now)
        self.dispatcher = Dispatcher(
            self.kept,
            self.book,
            self.desk,
            self.silences,
            composer=Composer("https://mon.example", str),
            sender=self.services,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
        )

    async def add(self, name: str = "mail", **wish: Any) -> Channel:
        return await self.book.add({"name": name, "url": f"test://{name}", **wish})

    async def go_on(self, times: int = 1, step: timedelta = STEP) -> None:
        """Let time pass, and deliver what is due."""
        for _ in range(times):
            self.now += step
            self.recorder.tick(self.now)
            self.board.tick()
            self.desk.tick()
            await self.dispatcher.settled()

    async def hear(self, payload: dict[str, Any] | None = None, times: int = 1, host_id: int = 1) -> None:
        for _ in range(times):
            self.send(payload, host_id=host_id)
            await self.dispatcher.settled()

    async def hear_all(
        self, payloads: dict[int, dict[str, Any] | None], times: int = 1, step: timedelta = STEP
    ) -> None:
        """Let all hosts send at the same moments."""
        for _ in range(times):
            self.now += step
            for host_id, payload in payloads.items():
                self.board.accept(host_id, [a_sample(host_id, payload=payload, collected_at=self.now)], self.now)
            self.desk.tick()
            self.recorder.tick(self.now)
            await self.dispatcher.settled()

    def titles(self, name: str = "mail") -> list[str]:
        return [message.title for url, message in self.services.got if url == f"test://{name}"]


def story(tell: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test's story in an event loop."""

    def run() -> None:
        asyncio.run(tell())

    run.__name__ = tell.__name__
    return run


@story
async def test_an_alert_is_told_when_it_opens_when_it_worsens_and_when_it_ends() -> None:
    world = Desk()
    await world.add()
    await world.hear(FULL, times=20)
    assert world.titles() == ["[warning] pve-01: rpool is 85 % full"]
    await world.hear(FULLER, times=20)
    assert world.titles()[1:] == ["[critical] pve-01: rpool is 95 % full"]
    await world.hear(times=60)
    assert [title.split(" ")[0] for title in world.titles()] == ["[warning]", "[critical]", "[ended]"]
    assert world.kept.tellings == {}


@story
async def test_ten_hosts_that_fall_silent_within_a_minute_are_one_message_and_so_is_their_return() -> None:
    names = [f"pve-{number:02}" for number in range(1, 11)]
    world = Desk(*names)
    await world.add()
    await world.hear_all(dict.fromkeys(range(1, 11)), times=3)
    for quiet in range(1, 11):  # one after the other within 50 seconds
        await world.hear_all(dict.fromkeys(range(quiet + 1, 11)), step=timedelta(seconds=5))
    await world.go_on(20)
    assert world.titles() == ["[critical] 10 hosts offline: pve-01, pve-02, pve-03, pve-04, pve-05 and 5 more"]
    for back in range(1, 11):
        await world.hear_all(dict.fromkeys(range(1, back + 1)), step=timedelta(seconds=5))
    await world.hear_all(dict.fromkeys(range(1, 11)), times=12)
    assert len(world.titles()) == 2
    assert world.titles()[1].startswith("[ended] 10 hosts offline: ")


@story
async def test_a_channel_is_told_of_its_severities_and_hosts_alone() -> None:
    world = Desk("pve-01", "web-01")
    await world.add("all")
    await world.add("critical", severity="critical")
    await world.add("web", hosts="web-*")
    await world.hear(FULL, times=10)
    await world.go_on(2)
    assert (len(world.titles("all")), world.titles("critical"), world.titles("web")) == (1, [], [])


@story
async def test_what_somebody_knows_of_or_silenced_is_not_told_until_it_speaks_again() -> None:
    world = Desk()
    await world.add()
    await world.silences.add({"host": "pve-01", "until": (NOW + timedelta(minutes=5)).isoformat()}, "alice")
    await world.hear(FULL, times=20)
    assert world.titles() == []
    await world.hear(FULL, times=20)
    assert len(world.titles()) == 1
    world.desk.acknowledge(world.desk.list_open()[0].id, "alice")
    await world.hear(FULL, times=20)
    assert len(world.titles()) == 1
    await world.hear(FULLER, times=20)
    assert len(world.titles()) == 2


@story
async def test_in_quiet_hours_messages_wait_and_become_one() -> None:
    world = Desk("pve-01", "pve-02")
    await world.add(quiet_hours="daily 19:00-21:00 UTC")
    await world.hear_all({1: BROKEN, 2: FULL}, times=359)
    assert world.titles() == []
    await world.hear_all({1: BROKEN, 2: FULL}, times=3)
    assert len(world.titles()) == 1
    assert world.titles()[0].startswith("2 alerts: 1 critical, 1 warning")


@story
async def test_a_paused_channel_loses_nothing_and_tells_all_in_one_when_it_is_resumed() -> None:
    world = Desk("pve-01", "pve-02", "pve-03")
    await world.add()
    await world.add("second")
    await world.dispatcher.change("mail", {"paused": True})
    await world.hear_all({1: BROKEN, 2: FULL, 3: BROKEN}, times=10)
    assert len(world.titles("second")) >= 1
    # One is over before the channel is resumed, and somebody knows of another.
    (known,) = [one for one in world.desk.list_open() if one.host_id == 3]
    world.desk.acknowledge(known.id, "alice")
    await world.hear_all({1: BROKEN, 2: None, 3: BROKEN}, times=40)
    assert world.titles() == []
    assert world.dispatcher.answer(world.book.get("mail"))["waiting"] == 2
    await world.dispatcher.change("mail", {"paused": False})
    await world.hear_all({1: BROKEN, 2: None, 3: BROKEN}, times=2)
    assert world.titles() == ["2 alerts: 1 critical, 1 ended"]


@story
async def test_a_pause_outlives_a_restart_and_is_not_begun_again() -> None:
    before = Desk()
    await before.add()
    first = await before.dispatcher.change("mail", {"paused": True})
    before.now += STEP
    again = await before.dispatcher.change("mail", {"paused": True, "hosts": "*"})
    assert (first.paused_at, again.paused_at) == (NOW, NOW)
    await before.hear(BROKEN, times=5)
    after = Desk(kept=before.kept, memory=before.memory, now=before.now)
    await after.hear(BROKEN, times=5)
    assert after.titles() == []
    assert after.dispatcher.answer(after.book.get("mail"))["paused_at"] == "2026-11-22T20:00:00Z"
    await after.dispatcher.change("mail", {"paused": False})
    await after.hear(BROKEN, times=2)
    assert after.titles() == ["[critical] pve-01: rpool is DEGRADED"]


@story
async def test_a_channel_that_fails_and_is_paused_is_no_alert_any_more_and_can_be_tested() -> None:
    world = Desk()
    await world.add()
    world.services.refusing = {"test://mail"}
    await world.hear(BROKEN, times=20)
    assert "channel" in [one.newest.rule for one in world.desk.list_open()]
    await world.dispatcher.change("mail", {"paused": True})
    await world.hear(BROKEN, times=20)
    answer = world.dispatcher.answer(world.book.get("mail"))
    assert [one.newest.rule for one in world.desk.list_open()] == ["zpool_health"]
    assert (answer["failures"], answer["error"], answer["waiting"]) == (0, "", 1)
    world.services.refusing = set()
    await world.dispatcher.test("mail")
    assert world.titles() == ["[test] proxmon"]


@story
async def test_a_service_that_refuses_is_tried_again_ever_more_rarely_and_the_message_is_marked() -> None:
    world = Desk()
    await world.add()
    world.services.refusing = {"test://mail"}
    await world.hear(BROKEN, times=3)
    attempts: list[datetime] = []
    known = 0
    for _ in range(400):
        await world.hear(BROKEN)
        failures = world.dispatcher.answer(world.book.get("mail"))["failures"]
        if failures != known:
            attempts.append(world.now)
            known = failures
    gaps = [(later - one).total_seconds() for one, later in pairwise(attempts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 60 * gaps[0]
    world.services.refusing = set()
    for _ in range(200):
        await world.hear(BROKEN)
    assert REPETITION in world.services.got[0][1].body


def test_a_service_that_hangs_holds_up_neither_the_others_nor_the_server_s_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "PATIENCE_SECONDS", 0.05)

    async def live() -> Desk:
        world = Desk()
        await world.add()
        await world.add("second")
        world.services.hanging = {"test://mail"}
        await world.hear(BROKEN, times=30)
        return world

    world = asyncio.run(live())
    assert world.titles("second")[0] == "[critical] pve-01: rpool is DEGRADED"
    answer = world.dispatcher.answer(world.book.get("mail"))
    assert (answer["error"], answer["waiting"]) == ("The last attempt still hangs.", 1)
    threads = [one for one in threading.enumerate() if one.name == "channel mail"]
    assert [one.daemon for one in threads] == [True]  # one, and nobody waits for it
    world.services.released.set()
    threads[0].join()


@story
async def test_a_channel_that_keeps_failing_is_an_alert_that_the_others_tell() -> None:
    world = Desk()
    await world.add()
    await world.add("second")
    world.services.refusing = {"test://mail"}
    await world.hear(BROKEN, times=20)
    assert world.dispatcher.answer(world.book.get("mail"))["failures"] >= FAILURES
    (failing,) = [one for one in world.desk.list_open() if one.newest.rule == "channel"]
    assert (failing.host_id, failing.newest.subject) == (0, "mail")
    assert any("The channel mail fails: Refused." in title for title in world.titles("second"))
    world.services.refusing = set()
    await world.hear(BROKEN, times=40)
    assert [one.newest.rule for one in world.desk.list_open()] == ["zpool_health"]
    assert all("fails" not in title for title in world.titles())


@story
async def test_what_one_restart_finds_owed_is_told_after_it_and_marked_where_it_was_attempted() -> None:
    before = Desk()
    await before.add()
    before.services.lost = {"test://mail"}
    await before.hear(BROKEN, times=3)
    assert len(before.titles()) == 1
    after = Desk(kept=before.kept, memory=before.memory, hosts=before.board.fleet.list_hosts(), now=before.now)
    await after.hear(BROKEN, times=3)
    assert len(after.titles()) == 1
    assert REPETITION in after.services.got[0][1].body


@story
async def test_an_alert_that_was_stored_and_not_yet_owed_is_told_after_a_restart_also_when_it_is_over_by_then() -> None:
    before = Desk()
    await before.add()
    await before.dispatcher.settled()
    before.send(BROKEN, times=3)
    before.send(times=30)
    await before.desk.stored()
    after = Desk(kept=before.kept, memory=before.memory, hosts=before.board.fleet.list_hosts(), now=before.now)
    await after.go_on(3)
    assert after.titles() == ["[ended] pve-01: rpool is DEGRADED"]
    assert REPETITION not in after.services.got[0][1].body


@story
async def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    before = Desk()
    await before.add()
    await before.hear(BROKEN, times=6)
    after = Desk(kept=before.kept, memory=before.memory, hosts=before.board.fleet.list_hosts(), now=before.now)
    await after.hear(BROKEN, times=6)
    assert after.titles() == []
    await after.hear(times=30)
    assert after.titles() == ["[ended] pve-01: rpool is DEGRADED"]


@story
async def test_a_new_channel_is_told_of_what_is_open_and_not_of_what_is_over() -> None:
    world = Desk("pve-01", "pve-02")
    await world.hear_all({1: BROKEN, 2: FULL}, times=10)
    await world.hear_all({1: None, 2: FULL}, times=30)
    await world.add()
    await world.go_on(2, timedelta(seconds=5))
    assert world.titles() == ["[warning] pve-02: rpool is 85 % full"]


@story
async def test_more_messages_than_the_limit_become_a_digest() -> None:
    names = [f"pve-{number:02}" for number in range(1, 31)]
    world = Desk(*names)
    await world.add()
    payloads: dict[int, dict[str, Any] | None] = dict.fromkeys(range(1, 31))
    for host_id in range(1, 31):
        payloads[host_id] = BROKEN
        await world.hear_all(payloads, times=2)
    assert len(world.titles()) == MOST_MESSAGES
    await world.hear_all(payloads, times=30)
    assert world.titles()[MOST_MESSAGES:] == ["20 alerts: 20 critical"]


@pytest.mark.parametrize("part", ["kept", "memory"])
def test_nothing_is_sent_that_could_not_be_stored(part: str) -> None:
    asyncio.run(live_with_a_broken(part))


async def live_with_a_broken(part: str) -> None:
    world = Desk()
    await world.add()
    getattr(world, part).is_broken = True
    await world.hear(BROKEN, times=6)
    assert world.titles() == []
    getattr(world, part).is_broken = False
    await world.go_on(1, timedelta(seconds=1))
    await world.hear(BROKEN, times=3)
    assert len(world.titles()) == 1


@story
async def test_a_deleted_channel_is_told_nothing_more_and_its_own_alert_ends() -> None:
    world = Desk()
    await world.add()
    world.services.refusing = {"test://mail"}
    await world.hear(BROKEN, times=20)
    await world.dispatcher.delete("mail")
    await world.go_on(5)
    assert "channel" not in [one.newest.rule for one in world.desk.list_open()]
    assert world.kept.tellings == {}


@story
async def test_a_test_says_honestly_whether_it_was_accepted() -> None:
    world = Desk()
    await world.add()
    await world.dispatcher.test("mail")
    assert world.titles() == ["[test] proxmon"]
    world.services.refusing = {"test://mail"}
    with pytest.raises(DeliveryError, match="Refused"):
        await world.dispatcher.test("mail")
    with pytest.raises(NotFoundError):
        await world.dispatcher.test("none")


@pytest.mark.parametrize(
    "wish",
    [
        {"url": "nonsense"},
        {"url": None},
        {"url": "test://x", "severity": "bad"},
        {"url": "test://x", "quiet_hours": "always"},
        {"url": "test://x", "tells_ends": "yes"},
        {"url": "test://x", "paused": "yes"},
        {"url": "test://x", "hosts": 3},
        {"url": "test://x", "name": "a b"},
    ],
)
def test_a_channel_that_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(SampleError):
        asyncio.run(Desk().book.add({"name": "mail", **wish}))


@story
async def test_a_channel_keeps_its_address_when_the_rest_is_changed() -> None:
    world = Desk()
    await world.add()
    changed = await world.book.change("mail", {"severity": "critical", "hosts": "a*, b*"})
    assert (changed.url, changed.severity, changed.hosts) == ("test://mail", "critical", ("a*", "b*"))
    with pytest.raises(ConflictError):
        await world.add()
    assert "test://mail" not in repr(changed)
    assert "url" not in world.dispatcher.answer(changed)
