"""Taking in a message: unpacked within bounds, stored, and only then seen."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Sequence
from unittest.mock import patch

import pytest

from proxmon.board import Board
from proxmon.bus import Bus
from proxmon.config import RuleSettings
from proxmon.errors import NotFoundError, StoreUnavailableError, TokenError, TooLargeError, UnreadableError
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.ingest import MOST_GZIP_MEMBERS, Arrivals, Ingest, Message, Receipt, unpack
from proxmon.payload import Tier
from proxmon.samples import Appended, Sample
from tests.builders import NOW, a_host, a_message, a_wire_sample

STORED = Appended(1, 0, (True,))


class Answering:
    """A store that answers every call alike."""

    def __init__(self, answer: Appended | Exception) -> None:
        self.answer = answer

    def submit(
        self, samples: Sequence[Sample], check: Callable[[], None], ended: Callable[[Appended | Exception], None]
    ) -> None:
        ended(self.answer)


def accept(answer: Appended | Exception, body: bytes = a_message(), encoding: str = "") -> Board:
    async def story() -> Board:
        board = Board(Fleet([HostSnapshot(a_host())]), RuleSettings(), Bus(), lambda: NOW)
        try:
            await Ingest(Answering(answer), board, lambda: NOW, 10_000).accept(1, body, encoding, lambda: None)
        finally:
            accept.board = board  # pyright: ignore[reportFunctionMemberAccess]
        return board

    return asyncio.run(story())


def snapshot_of(board: Board) -> HostSnapshot:
    judged = board.find(1)
    assert judged is not None
    return judged.snapshot


def last_seen(board: Board) -> object:
    return snapshot_of(board).last_seen_at


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_a_stored_message_is_seen_on_the_board(encoding: str) -> None:
    body = gzip.compress(a_message()) if "zip" in encoding.lower() else a_message()
    assert last_seen(accept(Appended(1, 0, (True,)), body, encoding)) == NOW


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(StoreUnavailableError("Free some disk."), StoreUnavailableError), (NotFoundError("Gone."), TokenError)],
)
def test_what_was_not_stored_is_not_seen(answer: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        accept(answer)
    assert last_seen(accept.board) is None  # pyright: ignore[reportFunctionMemberAccess]


def test_a_duplicate_does_not_change_the_fleet_but_its_host_was_heard_from() -> None:
    board = accept(Appended(0, 1, (False,)))
    assert snapshot_of(board).samples == {}
    assert last_seen(board) == NOW


def test_of_a_message_only_the_new_samples_reach_the_fleet() -> None:
    body = a_message(a_wire_sample(), a_wire_sample("medium"))
    assert list(snapshot_of(accept(Appended(1, 1, (False, True)), body)).samples) == [Tier.MEDIUM]


def test_a_message_without_samples_does_not_bring_a_host_online() -> None:
    assert last_seen(accept(Appended(0, 0, ()), a_message(samples=[]))) is None


def test_a_bomb_is_unpacked_no_further_than_allowed() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(TooLargeError):
        unpack(bomb, "gzip", 1000)


def test_a_stream_may_have_some_members_and_not_thousands() -> None:
    member, rest = gzip.compress(b"x"), b"\0" * 100
    assert unpack(member * MOST_GZIP_MEMBERS + rest, "gzip", 1000) == b"x" * MOST_GZIP_MEMBERS
    assert unpack(member + gzip.compress(b"y" * 999), "gzip", 1000) == b"x" + b"y" * 999
    with pytest.raises(TooLargeError):
        unpack(member + gzip.compress(b"y" * 1000), "gzip", 1000)
    many, began = gzip.compress(b"") * 400_000, time.process_time()
    with pytest.raises(UnreadableError, match="one gzip stream"):
        unpack(many, "gzip", 1000)
    assert time.process_time() - began < 1.0


def test_a_message_of_the_largest_size_is_read() -> None:
    assert unpack(b"x" * 1000, "", 1000) == unpack(gzip.compress(b"x" * 1000), "gzip", 1000)
    with pytest.raises(TooLargeError):
        unpack(b"x" * 1001, "", 1000)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{}", "gzip"),
        (gzip.compress(b"{}", mtime=0) + b"{}", "gzip"),
        (gzip.compress(b"{}", mtime=0)[:-3], "gzip"),
        (b"{}", "br"),
    ],
)
def test_what_is_not_packed_as_said_is_unreadable(body: bytes, encoding: str) -> None:
    with pytest.raises(UnreadableError):
        unpack(body, encoding, 1000)


@pytest.mark.parametrize("junk", [b"\n", b"{}", b"\x1fx", b"\x1f\x8b\n", b"junk" * 10])
def test_junk_after_a_stream_is_not_taken_for_a_missing_end(junk: bytes) -> None:
    for body in (gzip.compress(b"{}") + junk, junk):
        with pytest.raises(UnreadableError, match="cannot be unpacked"):
            unpack(body, "gzip", 1000)


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 15])
def test_a_stream_that_was_cut_off_misses_its_end(kept: int) -> None:
    with pytest.raises(UnreadableError, match="the end of this one is missing"):
        unpack(gzip.compress(b"{}")[:kept], "gzip", 1000)


def test_an_answer_that_fails_keeps_no_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []

    async def story() -> None:
        arrivals = Arrivals()
        for listener in (failing, told.append):
            arrivals.expect(listener)(STORED)
        await asyncio.sleep(0)

    def failing(_: object) -> None:
        raise RuntimeError("gone")

    asyncio.run(story())
    assert told == [STORED]
    assert "could not be answered" in caplog.text


def test_the_loop_is_woken_once_for_what_is_told_together() -> None:
    told: list[object] = []

    async def story() -> None:
        arrivals, loop = Arrivals(), asyncio.get_running_loop()
        with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as wake:
            for _ in range(3):
                arrivals.expect(told.append)(STORED)
            await asyncio.sleep(0)
            assert (wake.call_count, len(told)) == (1, 3)
            arrivals.expect(told.append)(STORED)
            await asyncio.sleep(0)
        assert (wake.call_count, len(told)) == (2, 4)

    asyncio.run(story())


def test_messages_of_one_turn_of_the_loop_reach_the_store_together() -> None:
    handed: list[int] = []
    told: list[object] = []

    class Counting(Answering):
        def submit(
            self, samples: Sequence[Sample], check: Callable[[], None], ended: Callable[[Appended | Exception], None]
        ) -> None:
            handed.append(len(told))
            super().submit(samples, check, ended)

    async def story() -> None:
        board = Board(Fleet([HostSnapshot(a_host())]), RuleSettings(), Bus(), lambda: NOW)
        ingest = Ingest(Counting(STORED), board, lambda: NOW, 10_000)
        for _ in range(2):
            ingest.submit(Message(1, a_message(), "", lambda: None, told.append))
        assert handed == []
        while len(told) < 2:
            await asyncio.sleep(0)

    asyncio.run(story())
    assert handed == [0, 0]
    assert told == [Receipt(1, 0)] * 2
