"""Delivery against a server that misbehaves by script: nothing is lost, nothing blocks, nothing is told twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig import INTERVALS, START, USUAL_JITTER, Rig
from scripted_server import TOKEN, ScriptedServer, answer

from proxmon.agent.delivery import MAX_BATCH_SAMPLES
from proxmon.agent.message import iso_utc, sample_text
from proxmon.agent.transport import Transport


@pytest.fixture(autouse=True)
def _closed_rigs() -> Iterator[None]:
    yield
    while Rig.opened:
        rig = Rig.opened.pop()
        rig.delivery.close()
        rig.spool.close()


@pytest.fixture
def rig(tmp_path: Path, server: ScriptedServer) -> Rig:
    return Rig(tmp_path / "spool", server)


def numbers(server: ScriptedServer) -> list[int]:
    return sorted(sample["payload"]["n"] for sample in server.stored.values())


def test_a_message_says_who_sends_how_often_and_when(rig: Rig, server: ScriptedServer) -> None:
    rig.add()
    assert rig.delivery.step() is None
    [message] = server.messages
    assert (message["agent_version"], message["interval_s"], message["intervals_s"]) == ("1.2.3", 10.0, INTERVALS)
    assert message["sent_at"] == "2027-01-15T08:00:00.000000Z"
    assert message["samples"] == [{"tier": "fast", "collected_at": iso_utc(START + 1), "payload": {"n": 1}}]


def test_nothing_is_sent_when_nothing_waits(rig: Rig, server: ScriptedServer) -> None:
    assert rig.delivery.step() is None
    assert server.messages == []


def test_the_connection_is_kept_and_its_loss_goes_unnoticed(rig: Rig, server: ScriptedServer) -> None:
    rig.add()
    rig.deliver_all()
    server.stop()
    server.start()
    rig.add()
    assert rig.delivery.step() is None
    assert numbers(server) == [1, 2]
    assert not rig.delivery.is_away


def test_while_the_server_is_away_attempts_become_rare_and_nothing_is_lost(rig: Rig, server: ScriptedServer) -> None:
    server.stop()
    rig.add(count=3)
    pauses: list[float] = []
    for _ in range(8):
        pause = rig.delivery.step()
        assert pause is not None
        pauses.append(pause)
        rig.now += pause
    assert pauses == [2, 4, 8, 16, 30, 30, 30, 30]
    server.start()
    rig.deliver_all()
    assert numbers(server) == [1, 2, 3]


def test_attempts_are_spread_at_random(tmp_path: Path, server: ScriptedServer) -> None:
    pauses = {500: list[float](), 503: list[float]()}
    for number in range(40):
        delivery = Rig(tmp_path / str(number), server, jitter=USUAL_JITTER)
        delivery.add()
        for status, header in ((500, {}), (503, {"Retry_After": "10"})):
            server.script = [answer(status, **header)]
            delivery.now += 60.0
            pauses[status].append(delivery.delivery.step() or 0.0)
    assert min(pauses[500]) < 0.5 < 1.5 < max(pauses[500]) <= 2.0
    assert 10.0 <= min(pauses[503]) < 12.5 < 17.5 < max(pauses[503]) <= 20.0


def test_a_backlog_goes_in_batches_oldest_first_and_live_data_does_not_wait(rig: Rig, server: ScriptedServer) -> None:
    server.script = [answer(500)]
    rig.add(count=350)
    rig.add("slow")
    rig.deliver_all()
    sent = [[sample["payload"]["n"] for sample in message["samples"]] for message in server.messages[1:]]
    assert sent[0] == [350, 351], "the newest of each tier"
    assert [len(batch) for batch in sent[1:]] == [100, 100, 100, 49]
    backlog = [number for batch in sent[1:] for number in batch]
    assert backlog == sorted(backlog)
    assert numbers(server) == list(range(1, 352))


def test_a_sample_that_arrives_meanwhile_overtakes_the_backlog(rig: Rig, server: ScriptedServer) -> None:
    rig.add(count=250)
    rig.delivery.step()
    rig.delivery.step()
    rig.add()
    rig.delivery.step()
    assert [sample["payload"]["n"] for sample in server.messages[-1]["samples"]] == [251]


def test_an_answer_that_was_lost_makes_a_duplicate_and_no_gap(rig: Rig, server: ScriptedServer) -> None:
    def store_and_fail(message: dict[str, Any]) -> Any:
        server.judge = lambda message: None
        server.take("/api/ingest", message)
        return answer(502, b"<html>bad gateway</html>")

    server.judge = store_and_fail
    rig.add(count=2)
    rig.deliver_all()
    assert numbers(server) == [1, 2]
    assert len(server.messages) == 3


def test_a_refused_token_is_said_once_with_what_to_do_and_retried_slowly(
    tmp_path: Path, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, server, token="rotated")
    rig.add()
    with caplog.at_level(logging.INFO, "proxmon-agent"):
        for _ in range(3):
            pause = rig.delivery.step()
            assert pause == pytest.approx(360)
            rig.now += pause
    [said] = [record.message for record in caplog.records]
    assert "refuses this host's token" in said
    assert "hosts rotate" in said
    assert "rotated " not in said.replace("It was rotated ", "")
    assert len(rig.spool) == 1


def test_a_sample_that_the_server_does_not_take_is_dropped_alone(
    rig: Rig, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(message: dict[str, Any]) -> Any:
        if any(sample["payload"].get("bad") for sample in message["samples"]):
            return answer(422, {"error": "samples[3].payload: host.load1 is no number"})
        return None

    server.judge = judge
    rig.add(count=30)
    rig.add(bad=True)
    rig.add(count=30)
    rig.deliver_all()
    assert numbers(server) == [number for number in range(1, 62) if number != 31]
    assert rig.spool.dropped_count == 1
    assert "host.load1 is no number" in caplog.text


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_refused_samples_never_block_the_others_wherever_they_stand(
    tmp_path: Path, server: ScriptedServer, bad: int
) -> None:
    def judge(message: dict[str, Any]) -> Any:
        if any(sample["payload"]["n"] == bad for sample in message["samples"]):
            return answer(400, {"error": "it cannot be read"})
        return None

    rig = Rig(tmp_path, server)
    server.judge = judge
    rig.add(count=3)
    rig.deliver_all()
    assert len(server.stored) == 2
    assert len(rig.spool) == 0


def test_a_message_that_is_too_large_is_split(rig: Rig, server: ScriptedServer) -> None:
    server.judge = lambda message: answer(413, {"error": "too large"}) if len(message["samples"]) > 10 else None
    rig.add(count=80)
    rig.deliver_all()
    assert numbers(server) == list(range(1, 81))


def test_batches_are_bounded_in_bytes(rig: Rig, server: ScriptedServer) -> None:
    rig.add(count=20, filler="x" * 200_000)
    rig.deliver_all()
    assert max(len(message["samples"]) for message in server.messages) == 5
    assert len(server.stored) == 20


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_says_when_to_come_back(rig: Rig, server: ScriptedServer, status: int) -> None:
    server.script = [answer(status, {"error": "busy"}, Retry_After="7")]
    rig.add()
    assert rig.delivery.step() == 14


def test_a_date_to_come_back_is_understood(rig: Rig, server: ScriptedServer) -> None:
    server.script = [answer(503, Retry_After="Fri, 15 Jan 2027 08:00:30 GMT")]
    rig.add()
    assert rig.delivery.step() == 60


@pytest.mark.parametrize("header", ["soon", "-5", "99999999999", ""])
def test_nonsense_in_retry_after_is_no_endless_pause(rig: Rig, server: ScriptedServer, header: str) -> None:
    server.script = [answer(503, Retry_After=header)]
    rig.add()
    assert 0 < (rig.delivery.step() or 0) <= 3600 + 30


@pytest.mark.parametrize(
    "nonsense",
    [
        answer(200, b"<html>welcome to the hotel's network</html>"),
        answer(200, b"[]"),
        answer(200, {"stored": "many"}),
        answer(204),
        answer(404, b"not here"),
        answer(400, b"<html>proxy</html>"),
        answer(500, {"error": "out of luck"}),
        answer(418, b"\xff\xfe"),
    ],
)
def test_whatever_else_a_server_answers_nothing_is_lost(rig: Rig, server: ScriptedServer, nonsense: Any) -> None:
    server.script = [nonsense]
    rig.add()
    assert rig.delivery.step() is not None
    assert rig.delivery.is_away
    rig.deliver_all()
    assert numbers(server) == [1]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed_with_the_token(rig: Rig, server: ScriptedServer, status: int) -> None:
    with ScriptedServer() as other:
        server.script = [answer(status, Location=f"{other.url}/api/ingest")]
        rig.add()
        rig.delivery.step()
        assert other.messages == []
        assert other.url in (rig.delivery.trouble or "")


def test_trouble_is_logged_when_it_begins_and_when_it_ends(
    rig: Rig, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [answer(500)] * 5
    rig.add()
    with caplog.at_level(logging.INFO, "proxmon-agent"):
        rig.deliver_all()
        rig.add()
        rig.deliver_all()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_neither_token_nor_samples_are_ever_logged(
    rig: Rig, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [answer(401), answer(500), answer(422, {"error": "bad"}), answer(302, Location="x")]
    rig.add(secret="guest-name")
    with caplog.at_level(logging.DEBUG):
        rig.deliver_all()
    assert TOKEN not in caplog.text
    assert "guest-name" not in caplog.text


def test_goodbye_says_why(rig: Rig, server: ScriptedServer) -> None:
    assert rig.delivery.say_goodbye(Transport(server.url), "reboot")
    assert server.goodbyes == [{"reason": "reboot"}]


def test_a_goodbye_to_nobody_is_no_crash(rig: Rig, server: ScriptedServer) -> None:
    server.stop()
    assert not rig.delivery.say_goodbye(Transport(server.url))


def test_samples_of_one_moment_are_written_as_they_are_sent() -> None:
    text = sample_text("fast", iso_utc(0.0), {"host": {"load1": 0.5}})
    assert json.loads(text)["collected_at"] == "1970-01-01T00:00:00.000000Z"
    assert MAX_BATCH_SAMPLES == 100
