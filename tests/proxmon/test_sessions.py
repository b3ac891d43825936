"""A session lasts until it is ended or its time is over, and what it has open ends with it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from proxmon.errors import StoreUnavailableError
from proxmon.sessions import Sessions, session_key
from tests.builders import NOW


class Kept:
    """A store of sessions in memory, which can be full."""

    def __init__(self) -> None:
        self.rows: dict[str, datetime] = {}
        self.is_full = False

    def add_session(self, key: str, expires_at: datetime) -> None:
        if self.is_full:
            raise StoreUnavailableError("The disk is full.")
        self.rows[key] = expires_at

    def delete_session(self, key: str) -> None:
        self.rows.pop(key, None)

    def list_sessions(self) -> dict[str, datetime]:
        return dict(self.rows)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_started_session_is_found_also_after_a_restart_until_it_ends() -> None:
    store, clock = Kept(), Clock()
    sessions = Sessions(store, clock, days=14)
    session_id = asyncio.run(sessions.start())
    key = sessions.find(session_id)
    assert key is not None
    assert Sessions(store, clock, days=14).find(session_id) == key
    asyncio.run(sessions.end(key))
    assert sessions.find(session_id) is None
    assert Sessions(store, clock, days=14).find(session_id) is None


def test_nobody_elses_id_is_a_session() -> None:
    sessions = Sessions(Kept(), Clock(), days=14)
    session_id = asyncio.run(sessions.start())
    for other in ("", "owner", session_key(session_id), session_id[:-1], "\ud800"):
        assert sessions.find(other) is None


def test_the_store_never_sees_what_opens_a_session() -> None:
    store = Kept()
    session_id = asyncio.run(Sessions(store, Clock(), days=14).start())
    assert session_id not in store.rows


def test_what_is_open_ends_with_its_session_and_no_other() -> None:
    sessions, ended = Sessions(Kept(), Clock(), days=14), []
    mine, yours = (sessions.find(asyncio.run(sessions.start())) or "" for _ in range(2))
    sessions.watch(mine, lambda: ended.append("mine"))
    sessions.watch(mine, lambda: ended.append("closed before"))()
    sessions.watch(yours, lambda: ended.append("yours"))
    asyncio.run(sessions.end(mine))
    assert ended == ["mine"]
    assert not sessions.is_open(mine)
    assert sessions.is_open(yours)


def test_what_opens_after_the_end_ends_at_once() -> None:
    sessions, ended = Sessions(Kept(), Clock(), days=14), []
    key = sessions.find(asyncio.run(sessions.start())) or ""
    asyncio.run(sessions.end(key))
    sessions.watch(key, lambda: ended.append("late"))
    assert ended == ["late"]


def test_time_ends_a_session_and_what_it_has_open() -> None:
    store, clock, ended = Kept(), Clock(), []
    sessions = Sessions(store, clock, days=14)
    session_id = asyncio.run(sessions.start())
    sessions.watch(session_key(session_id), lambda: ended.append("expired"))
    clock.now += timedelta(days=14)
    assert sessions.find(session_id) is None
    asyncio.run(sessions.expire())
    assert ended == ["expired"]
    assert store.rows == {}


def test_a_full_disk_keeps_nobody_out() -> None:
    store = Kept()
    store.is_full = True
    sessions = Sessions(store, Clock(), days=14)
    assert sessions.find(asyncio.run(sessions.start())) is not None
