"""Channels: where alerts are told, which of them, and when. An address is a secret that is never shown again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from proxmon.alerts.hours import Hours, hours_text, read_hours
from proxmon.alerts.model import RANKS, Severity
from proxmon.alerts.silences import read_text
from proxmon.errors import ConflictError, NotFoundError, SampleError
from proxmon.hosts import check_name

MAX_ADDRESS = 2000


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts are told.

    ``url`` is Apprise's address with all its secrets. ``severity`` is the least that is told, ``hosts`` are patterns
    (``*``, ``?``, ``[…]``). Messages wait within ``quiet_hours``, and from ``paused_at`` until somebody resumes it.
    Alerts about the server itself are told everywhere.
    """

    id: int
    name: str
    url: str = field(repr=False)
    service: str
    created_at: datetime
    severity: Severity = Severity.WARNING
    hosts: tuple[str, ...] = ("*",)
    quiet_hours: Hours | None = None
    tells_ends: bool = True
    paused_at: datetime | None = None

    def wants(self, severity: Severity, host: str) -> bool:
        """Tell whether an alert of that severity on that host is told here; an alert about the server has no host."""
        is_chosen = not host or any(fnmatchcase(host, pattern) for pattern in self.hosts)
        return is_chosen and RANKS[severity] >= RANKS[self.severity]

    def is_quiet(self, now: datetime) -> bool:
        """Tell whether messages wait now."""
        return self.paused_at is not None or (self.quiet_hours is not None and self.quiet_hours.covers(now))


class ChannelStore(Protocol):
    """What the book asks of the store; every method may block."""

    def add_channel(self, channel: Channel) -> Channel:
        """Store a channel and return it with its id. Raises ConflictError on a taken name."""
        ...

    def change_channel(self, channel: Channel) -> None:
        """Store a channel anew."""

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel and what was still to be told there."""

    def list_channels(self) -> list[Channel]:
        """List all channels by name."""
        ...


class ChannelBook:
    """The channels. It belongs to the event loop's thread; ``name_service`` checks an address without using it.

    ``revision`` grows whenever one is added, changed or deleted.
    """

    def __init__(
        self, store: ChannelStore, name_service: Callable[[str], str | None], clock: Callable[[], datetime]
    ) -> None:
        self._store, self._name_service, self._clock = store, name_service, clock
        self._channels = {one.name: one for one in store.list_channels()}
        self.revision = 0

    def list_channels(self) -> list[Channel]:
        """List the channels by name."""
        return sorted(self._channels.values(), key=lambda one: one.name)

    def get(self, name: str) -> Channel:
        """Return the channel of that name. Raises NotFoundError."""
        found = self._channels.get(name)
        if found is None:
            raise NotFoundError("Choose one of the channels that `proxmon channels list` shows: this is none.")
        return found

    async def add(self, wish: Mapping[str, Any]) -> Channel:
        """Add a channel as it was asked for. Raises SampleError where a field is wrong, ConflictError."""
        name = read_text(wish, "name")
        check_name(name)
        if name in self._channels:
            raise ConflictError(f"Choose another name: there is a channel {name} already.")
        url, service = await self._read_address(wish)
        now = self._clock()
        fresh = read_choices(Channel(0, name, url, service, now), wish, now)
        channel = await asyncio.to_thread(self._store.add_channel, fresh)
        self._put(channel)
        return channel

    async def change(self, name: str, wish: Mapping[str, Any]) -> Channel:
        """Change what a channel is told, and its address when one is given. Raises NotFoundError, SampleError."""
        channel = read_choices(self.get(name), wish, self._clock())
        if wish.get("url"):
            url, service = await self._read_address(wish)
            channel = replace(channel, url=url, service=service)
        await asyncio.to_thread(self._store.change_channel, channel)
        self._put(channel)
        return channel

    async def delete(self, name: str) -> Channel:
        """Delete a channel with its address and what waits there. Raises NotFoundError."""
        channel = self.get(name)
        await asyncio.to_thread(self._store.delete_channel, channel.id)
        del self._channels[name]
        self.revision += 1
        return channel

    def _put(self, channel: Channel) -> None:
        self._channels[channel.name] = channel
        self.revision += 1

    async def _read_address(self, wish: Mapping[str, Any]) -> tuple[str, str]:
        url = wish.get("url")
        if not isinstance(url, str) or not url.strip() or len(url) > MAX_ADDRESS:
            raise SampleError("Send url as an address of Apprise, such as ntfys://ntfy.example/topic.")
        service = await asyncio.to_thread(self._name_service, url.strip())
        if service is None:
            raise SampleError("Send url as Apprise reads it (https://github.com/caronc/apprise/wiki): this is none.")
        return url.strip(), service


def read_choices(channel: Channel, wish: Mapping[str, Any], now: datetime) -> Channel:
    """Return the channel with what a form or a program chose; what it does not name stays. Raises SampleError."""
    if "severity" in wish:
        if wish["severity"] not in tuple(Severity):
            raise SampleError("Send severity as warning or critical: the least that is told.")
        channel = replace(channel, severity=Severity(wish["severity"]))
    if "hosts" in wish:
        channel = replace(channel, hosts=_read_hosts(wish))
    if "quiet_hours" in wish:
        channel = replace(channel, quiet_hours=read_hours(read_text(wish, "quiet_hours")))
    if "tells_ends" in wish:
        channel = replace(channel, tells_ends=_read_flag(wish, "tells_ends"))
    if "paused" in wish:
        channel = replace(channel, paused_at=(channel.paused_at or now) if _read_flag(wish, "paused") else None)
    return channel


def _read_flag(wish: Mapping[str, Any], key: str) -> bool:
    if not isinstance(wish[key], bool):
        raise SampleError(f"Send {key} as true or false.")
    return wish[key]


def _read_hosts(wish: Mapping[str, Any]) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in read_text(wish, "hosts").split(",") if part.strip())
    return patterns or ("*",)


def channel_answer(channel: Channel) -> dict[str, Any]:
    """Return what may be told of a channel: everything but its address."""
    return {
        "name": channel.name,
        "service": channel.service,
        "severity": channel.severity,
        "hosts": ", ".join(channel.hosts),
        "quiet_hours": hours_text(channel.quiet_hours),
        "tells_ends": channel.tells_ends,
        "paused_at": channel.paused_at and channel.paused_at.isoformat().replace("+00:00", "Z"),
    }
