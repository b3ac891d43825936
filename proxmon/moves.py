"""Where each guest is, to tell one that moved to another host from one that is new or gone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from proxmon.events import Event, EventKind
from proxmon.facts import Facts
from proxmon.fleet import HostSnapshot

# A guest that is gone here and appears there within this time has moved.
MOVE_SPAN = timedelta(minutes=10)
MOST_LOST = 10_000  # as many as one host may have: guests that are others in each sample must not add up

Place = tuple[str | None, str, str]  # a cluster, a guest's type and vmid, its name


class Moves:
    """Where each guest is, and where those were that are gone."""

    def __init__(self) -> None:
        self._hosts: dict[Place, tuple[int, str]] = {}
        self._places: dict[int, dict[str, Place]] = {}  # of each host, by guest
        self._lost = OrderedDict[Place, tuple[str, datetime]]()  # in the order in which they were lost

    def settle(self, host: HostSnapshot, facts: Facts) -> None:
        """Take in where guests are; one that was here before stays where it appeared meanwhile."""
        before, places = self._places.get(host.host.id, {}), dict(_places(facts))
        for guest, place in before.items():
            if places.get(guest) != place:
                self._leave(host.host.id, place)
        here = (host.host.id, host.host.name)
        self._hosts.update((place, here) for guest, place in places.items() if before.get(guest) != place)
        self._places[host.host.id] = places

    def forget(self, host_id: int) -> None:
        """Forget the guests of a host."""
        for place in self._places.pop(host_id, {}).values():
            self._leave(host_id, place)

    def follow(
        self, host: HostSnapshot, before: Facts, after: Facts, events: Iterable[Event], at: datetime
    ) -> list[Event]:
        """Return the events with those of a guest that moved put together."""
        told = [self._follow(host, before.cluster, after.cluster, event, at) for event in events]
        if before.cluster != after.cluster or before.guests != after.guests:
            self.settle(host, after)
        return [event for event in told if event is not None]

    def _follow(
        self, host: HostSnapshot, was_in: str | None, is_in: str | None, event: Event, at: datetime
    ) -> Event | None:
        if event.kind is EventKind.GUEST_VANISHED:
            place: Place = (was_in, event.subject, event.message)
            where = self._hosts.get(place)
            if where is not None and where[0] != host.host.id:
                return None  # it was told when it appeared over there
            self._lose(place, host, at)
        elif event.kind is EventKind.GUEST_APPEARED:
            came_from = self._origin((is_in, event.subject, event.message), at)
            if came_from is not None and came_from != host.host.name:
                return replace(event, kind=EventKind.GUEST_MOVED, was=came_from, became=host.host.name)
        return event

    def _origin(self, place: Place, at: datetime) -> str | None:
        where, lost = self._hosts.get(place), self._lost.pop(place, None)
        if where is not None:
            return where[1]
        return lost[0] if lost is not None and at - lost[1] <= MOVE_SPAN else None

    def _lose(self, place: Place, host: HostSnapshot, at: datetime) -> None:
        self._lost.pop(place, None)
        self._lost[place] = (host.host.name, at)
        while len(self._lost) > MOST_LOST or at - next(iter(self._lost.values()))[1] > MOVE_SPAN:
            self._lost.popitem(last=False)

    def _leave(self, host_id: int, place: Place) -> None:
        where = self._hosts.get(place)
        if where is not None and where[0] == host_id:
            del self._hosts[place]


def _places(facts: Facts) -> Iterator[tuple[str, Place]]:
    for (kind, vmid), name in (facts.guests or {}).items():
        guest = f"{kind}/{vmid}"
        yield guest, (facts.cluster, guest, name)
