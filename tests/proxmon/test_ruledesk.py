"""Rules that change while the monitor runs: lights and open alerts follow at once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.config import Settings
from proxmon.errors import ConflictError, RulesError, SampleError
from proxmon.findings import Status
from proxmon.history import History, HistoryRequest
from proxmon.recorder import Recorder
from proxmon.rulebook.file import RulesFile
from proxmon.ruledesk import CHANGED, RuleDesk
from tests.builders import a_fast_payload, a_pool, a_sample
from tests.proxmon.test_alert_desk import World

FULL = a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=85)]})
MILD, STRICT = ("[[zpool_capacity]]\nwarning_percent = 88", "[[zpool_capacity]]\nwarning_percent = 50")


class Ruled(World):
    """A world whose rules come from a file."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.bus.publish = self.told.append
        self.path = directory / "rules.toml"
        self.rules = RuleDesk(RulesFile(Settings(data=str(directory))), self.board, self.desk, Past())

    @property
    def status(self) -> Status:
        judged = self.board.find(1)
        assert judged is not None
        return judged.status.status


@pytest.fixture
def world(tmp_path: Path) -> Ruled:
    """Give a world with a full pool and its open alert."""
    made = Ruled(tmp_path)
    made.send(FULL, times=30)
    assert (made.status, len(made.desk.list_open())) == (Status.WARNING, 1)
    return made


def test_a_file_that_was_edited_changes_lights_and_open_alerts_at_once(world: Ruled) -> None:
    world.path.write_text(MILD)
    world.rules.tick()
    assert world.status is Status.OK
    (alert,) = world.desk.list_closed()
    assert alert.events[-1].detail == CHANGED
    assert any(change.is_fleet_changed and 1 in change.host_ids for change in world.told[-3:])


def test_an_alert_that_still_holds_stays_the_same_one(world: Ruled) -> None:
    (before,) = world.desk.list_open()
    world.path.write_text(STRICT)
    world.rules.tick()
    (after,) = world.desk.list_open()
    assert (after.id, len(after.events)) == (before.id, 1)


def test_a_file_that_did_not_change_judges_nothing_anew(world: Ruled) -> None:
    judged = world.board.find(1)
    world.rules.tick()
    assert world.board.find(1) is judged


def test_a_broken_file_changes_nothing_and_is_told(world: Ruled) -> None:
    world.path.write_text("[[zpool_capacity]]\nwarning_percent = 'much'")
    world.rules.tick()
    assert world.status is Status.WARNING
    assert "zpool_capacity.warning_percent" in str(world.rules.loaded.problem)
    world.path.write_text(MILD)
    world.rules.tick()
    assert (world.status, world.rules.loaded.problem) == (Status.OK, None)


def test_saving_counts_at_once_and_refuses_what_cannot_be_used(world: Ruled) -> None:
    with pytest.raises(RulesError):
        asyncio.run(world.rules.save("[[nothing]]"))
    assert (world.status, world.path.exists()) == (Status.WARNING, False)
    asyncio.run(world.rules.save(MILD))
    assert (world.status, world.path.read_text()) == (Status.OK, MILD)


def test_what_is_recorded_waits_by_the_same_rules(world: Ruled) -> None:
    recorder = Recorder(Nothing(), world.board.rules, lambda: world.now)
    world.board._recording = recorder  # pyright: ignore[reportPrivateUsage]
    world.path.write_text("[[offline]]\nmin_seconds = 600")
    world.rules.tick()
    assert recorder.rules is world.board.rules
    assert recorder.rules.of_host("pve-01").settings.offline_min_seconds == 600


def test_a_rehearsal_tells_what_would_have_been(world: Ruled) -> None:
    told = asyncio.run(world.rules.rehearse(MILD, 7))
    assert (told["present"]["count"], told["edited"]["count"]) == (1, 0)
    assert [(row["change"], row["rule"], row["subject"]) for row in told["alerts"]] == [
        ("gone", "zpool_capacity", "rpool")
    ]
    assert len(world.desk.list_open()) == 1


def test_a_rehearsal_refuses_what_it_cannot_do(world: Ruled) -> None:
    for text, days, error in ((MILD, 0, SampleError), (MILD, 91, SampleError), ("[[nothing]]", 7, RulesError)):
        with pytest.raises(error):
            asyncio.run(world.rules.rehearse(text, days))

    async def two() -> None:
        await asyncio.gather(world.rules.rehearse(MILD, 7), world.rules.rehearse(MILD, 7))

    with pytest.raises(ConflictError):
        asyncio.run(two())
    assert asyncio.run(world.rules.rehearse(MILD, 1))["samples"] == 60


class Past:
    """Has one full pool's samples of the last hour."""

    @contextmanager
    def history(self, request: HistoryRequest) -> Generator[History]:
        moments = [request.until - timedelta(minutes=60 - number) for number in range(60)]
        samples = [a_sample(payload=FULL, collected_at=at, interval_seconds=60.0) for at in moments]
        yield History(iter(samples))


class Nothing:
    """Takes events and keeps none."""

    def append_events(self, events: object) -> object:
        return events
