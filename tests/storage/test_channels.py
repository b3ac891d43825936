"""Channels and what they are owed, as they are kept in the credentials' file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxmon.alerts.channels import Channel
from proxmon.alerts.hours import read_hours
from proxmon.alerts.model import Severity
from proxmon.alerts.tellings import Owed, Telling
from proxmon.errors import ConflictError
from storage import Store
from tests.builders import NOW

MAIL = Channel(0, "mail", "json://alice:swordfish@hooks.example/T0KEN", "JSON", NOW)
NIGHT = replace(MAIL, name="night", severity=Severity.CRITICAL, hosts=("a*", "b"), tells_ends=False)
NIGHT = replace(NIGHT, quiet_hours=read_hours("mon-fri 22:00-06:00 Europe/Berlin"), paused_at=NOW)


def test_channels_come_back_as_they_were(store: Store) -> None:
    added = [store.channels.add_channel(one) for one in (NIGHT, MAIL)]
    assert store.channels.list_channels() == [added[1], added[0]]
    changed = replace(added[0], hosts=("*",), url="json://x/y")
    store.channels.change_channel(changed)
    assert store.channels.list_channels() == [added[1], changed]
    with pytest.raises(ConflictError):
        store.channels.add_channel(MAIL)


def test_what_is_owed_outlives_the_store_s_end(store: Store, directory: Path) -> None:
    channel = store.channels.add_channel(MAIL)
    told = Telling(channel.id, 3, Severity.WARNING)
    owed = Telling(channel.id, 4, None, Owed.CRITICAL, NOW, 2)
    store.channels.put_tellings([told, owed], 4)
    store.channels.put_tellings([replace(told, told=None)], 5)
    store.close()
    again = Store.open(directory)
    assert again.channels.list_tellings() == [owed]
    assert again.channels.reviewed_id() == 5
    again.close()


def test_a_deleted_channel_leaves_nothing_and_gets_nothing(store: Store) -> None:
    channel = store.channels.add_channel(MAIL)
    telling = Telling(channel.id, 3, Severity.WARNING)
    store.channels.put_tellings([telling], 3)
    store.channels.delete_channel(channel.id)
    store.channels.put_tellings([telling], 3)
    assert store.channels.list_tellings() == []
    assert store.channels.add_channel(MAIL).id != channel.id


def test_an_address_is_in_no_file_that_readers_see(store: Store, directory: Path) -> None:
    channel = store.channels.add_channel(MAIL)
    store.close()
    files = [path for path in directory.rglob("*") if path.is_file() and b"swordfish" in path.read_bytes()]
    assert [path.name for path in files] == ["secrets.sqlite"]
    again = Store.open(directory)
    again.channels.delete_channel(channel.id)
    again.close()
    assert b"swordfish" not in (directory / "secrets.sqlite").read_bytes()
