"""Tells channels of alerts: durably owed before it is sent, at least once, marked where it may be a repetition."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from proxmon.alerts.channels import Channel, ChannelBook, channel_answer
from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.messages import Composer, Item, Message, trial_message
from proxmon.alerts.posts import FAILURES, Post
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.senders import COURIER_SECONDS, Sender
from proxmon.alerts.silences import SilenceBook
from proxmon.alerts.tellings import Owed, Telling, delivered, review
from proxmon.alerts.threads import Errand
from proxmon.errors import DeliveryError, StoreUnavailableError

log = logging.getLogger(__name__)

CAUSE = "channel"
CLEARS_WHEN = "A message is accepted again: try the channel's test, and check its address and the way to it."
# The sender has its own limit; this one is for a sender that does not keep to it.
PATIENCE_SECONDS = COURIER_SECONDS + 10.0
# When nothing happened, an acknowledgement or a silence may still be over, or a maintenance window begin.
REVIEW_EVERY = timedelta(seconds=10)


class TellingStore(Protocol):
    """What the dispatcher asks of the store; every method may block."""

    def list_tellings(self) -> list[Telling]:
        """List what channels were told and are owed."""
        ...

    def put_tellings(self, tellings: Sequence[Telling], reviewed_id: int) -> None:
        """Store tellings together, durably, and up to which alert all were looked at; settled ones are deleted."""

    def reviewed_id(self) -> int | None:
        """Return up to which alert all were looked at; None before the first time."""
        ...


class Dispatcher:
    """Delivers alerts to channels. It belongs to the event loop's thread, and sends from threads of its own."""

    def __init__(
        self,
        store: TellingStore,
        book: ChannelBook,
        desk: AlertDesk,
        silences: SilenceBook,
        *,
        composer: Composer,
        sender: Sender,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._book, self._desk, self._silences = store, book, desk, silences
        self._composer, self._sender, self._clock, self._jitter = composer, sender, clock, jitter
        self._tellings = {one.key: one for one in store.list_tellings()}
        self._stored_id = store.reviewed_id()
        self._reviewed_id = desk.newest_id if self._stored_id is None else self._stored_id
        self._revision, self._review_at = (-1, -1, -1), clock()
        self._posts: dict[int, Post] = {}
        # What is owed is read and stored in one go; deliveries and the review do both.
        self._lock = asyncio.Lock()
        self._working: asyncio.Task[None] | None = None
        self._errands: dict[int, Errand] = {}

    def tick(self) -> None:
        """Go on with what is due; call it once a second."""
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def settled(self) -> None:
        """Wait until everything that is due now was attempted."""
        self.tick()
        while running := [one for one in (self._working, *(post.running for post in self._posts.values())) if one]:
            await asyncio.wait(running)

    async def test(self, name: str) -> None:
        """Send a test message. Raises NotFoundError, or DeliveryError with the reason."""
        channel = self._book.get(name)
        await self._send(channel, trial_message(channel.name, self._composer.public_url))

    async def change(self, name: str, wish: Mapping[str, Any]) -> Channel:
        """Change a channel. One that is paused or resumed starts afresh: how deliveries went before is forgotten.

        Raises NotFoundError, SampleError.
        """
        before = self._book.get(name)
        channel = await self._book.change(name, wish)
        if channel.paused_at != before.paused_at:
            self._posts.setdefault(channel.id, Post()).forget_failures()
            self._desk.settle(CAUSE, name, "The channel was paused." if channel.paused_at else "It was resumed.")
        return channel

    async def delete(self, name: str) -> None:
        """Delete a channel, what it was owed, and the alert that it fails. Raises NotFoundError."""
        channel = await self._book.delete(name)
        self._tellings = {key: one for key, one in self._tellings.items() if one.channel_id != channel.id}
        self._posts.pop(channel.id, None)
        self._desk.settle(CAUSE, channel.name, "The channel was deleted.")
        await self._desk.stored()

    def answer(self, channel: Channel) -> dict[str, Any]:
        """Return what may be told of a channel and of how deliveries go."""
        post = self._posts.get(channel.id, Post())
        waiting = sum(one.channel_id == channel.id and one.owed is not Owed.NOTHING for one in self._tellings.values())
        return {
            **channel_answer(channel),
            "waiting": waiting,
            "failures": post.failures,
            "error": post.error,
            "last_sent_at": post.sent_at and post.sent_at.isoformat().replace("+00:00", "Z"),
        }

    async def _work(self) -> None:
        try:
            await self._desk.stored()
            await self._review(self._clock())
            owed = self._list_owed()
            for channel in self._book.list_channels():
                self._start(channel, owed.get(channel.id, []), self._clock())
        except StoreUnavailableError as error:
            log.warning("Alerts cannot be told: %s", error)
        except Exception:
            log.exception("Alerts could not be told")
        finally:
            self._working = None

    async def _review(self, now: datetime) -> None:
        """Bring what is owed up to date and store it; nothing is sent that is not stored."""
        revision = (self._desk.revision, self._silences.revision, self._book.revision)
        if not self._desk.is_stored or (revision == self._revision and now < self._review_at):
            return
        async with self._lock:
            reviewed_id = self._desk.newest_id
            changed = [one for one in self._list_reviewed(now) if one != self._tellings.get(one.key)]
            if changed or reviewed_id != self._stored_id:
                await self._keep(changed, reviewed_id)
        self._revision, self._review_at = revision, now + REVIEW_EVERY

    def _list_reviewed(self, now: datetime) -> Iterator[Telling]:
        channels = self._book.list_channels()
        for record in self._list_wanted() if channels else ():
            host = self._desk.host_of(record)
            is_quiet = record.is_acknowledged(now) or self._silences.find_for(record, host, now) is not None
            for channel in channels:
                known = self._tellings.get((channel.id, record.id), Telling(channel.id, record.id))
                if record.newest.cause != CAUSE or record.newest.subject != channel.name:
                    is_new = record.id > self._reviewed_id
                    fresh = review(known, channel, record, host, now, is_quiet=is_quiet, is_new=is_new)
                    if not (fresh.is_settled and known.is_settled):
                        yield fresh
        for telling in list(self._tellings.values()):
            if self._desk.find(telling.alert_id) is None:  # it ended more than 30 days ago
                yield Telling(*telling.key)

    def _list_wanted(self) -> list[AlertRecord]:
        """List the alerts of which somebody may have to be told: open, new, or told of and over."""
        followed = {one.alert_id for one in self._tellings.values()}
        return [
            record
            for record in self._desk.list_all()
            if record.is_open or record.id > self._reviewed_id or record.id in followed
        ]

    async def _keep(self, changed: Sequence[Telling], reviewed_id: int) -> None:
        await asyncio.to_thread(self._store.put_tellings, changed, reviewed_id)
        self._reviewed_id = self._stored_id = reviewed_id
        for one in changed:
            if one.is_settled:
                self._tellings.pop(one.key, None)
            else:
                self._tellings[one.key] = one

    def _list_owed(self) -> dict[int, list[Telling]]:
        owed: dict[int, list[Telling]] = {}
        for one in self._tellings.values():
            if one.owed is not Owed.NOTHING:
                owed.setdefault(one.channel_id, []).append(one)
        return owed

    def _start(self, channel: Channel, owed: Sequence[Telling], now: datetime) -> None:
        post = self._posts.setdefault(channel.id, Post())
        if not channel.is_quiet(now) and post.is_due(self._waits(owed), now):
            post.running = asyncio.get_running_loop().create_task(self._deliver(channel, post, owed))

    def _waits(self, owed: Iterable[Telling]) -> Iterator[tuple[datetime, bool]]:
        for one in owed:
            record = self._desk.find(one.alert_id)
            if record is not None and one.owed_since is not None:
                yield one.owed_since, record.newest.rule == "offline"

    async def _deliver(self, channel: Channel, post: Post, owed: Sequence[Telling]) -> None:
        try:
            items = list(self._items(owed))
            await self._change(owed, lambda now, _: replace(now, attempts=now.attempts + 1))
            await self._send(channel, self._composer.compose(items, self._clock()))
        except DeliveryError as error:
            self._failed(channel, post, str(error))
        except Exception as error:  # the other channels go on
            log.exception("The channel %s could not be told", channel.name)
            self._failed(channel, post, f"It failed in the server itself ({type(error).__name__}): see its log.")
        else:
            await self._delivered(channel, post, owed)
        finally:
            post.running = None

    def _items(self, owed: Iterable[Telling]) -> Iterator[Item]:
        fresh = {record.id: record for record in self._desk.list_fresh()}
        for one in owed:
            record = fresh.get(one.alert_id) or self._desk.find(one.alert_id)
            if record is not None:
                yield Item(record, self._desk.host_of(record), one.owed, is_repetition=one.attempts > 0)

    async def _delivered(self, channel: Channel, post: Post, sent: Sequence[Telling]) -> None:
        post.succeed(self._clock())
        self._desk.settle(CAUSE, channel.name, "A message was accepted.")
        # A store in trouble costs a repetition, which is marked; the message itself is out.
        with suppress(StoreUnavailableError):
            await self._change(sent, lambda now, then: delivered(now, then.owed))

    async def _change(self, tellings: Sequence[Telling], change: Callable[[Telling, Telling], Telling]) -> None:
        """Change what is known by now of tellings as they were then."""
        async with self._lock:
            known = [(now, one) for one in tellings if (now := self._tellings.get(one.key)) is not None]
            await self._keep([change(now, then) for now, then in known], self._reviewed_id)

    def _failed(self, channel: Channel, post: Post, error: str) -> None:
        post.fail(error, self._clock(), self._jitter)
        if post.failures == FAILURES:
            log.warning("The channel %s fails: %s", channel.name, error)
            self._desk.report(CAUSE, channel.name, f"The channel {channel.name} fails: {error}", CLEARS_WHEN)

    async def _send(self, channel: Channel, message: Message) -> None:
        errand = self._errands.setdefault(channel.id, Errand(f"channel {channel.name}"))
        if errand.is_running:
            raise DeliveryError("The last attempt still hangs.")
        try:
            await errand.run(lambda: self._sender.send(channel.url, message), PATIENCE_SECONDS)
        except TimeoutError as error:
            raise DeliveryError(f"The service did not answer within {PATIENCE_SECONDS:g} seconds.") from error
