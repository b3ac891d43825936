"""What all pages share: the moment they show, and how changes reach the open page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar

import panel as pn
import param
from markupsafe import Markup
from panel.io.document import unlocked
from panel.io.state import set_curdoc

from dashboards.alert_rows import alert_counts
from dashboards.components import Channel, Message
from dashboards.formats import clock_text, unix
from dashboards.newest import Newest
from dashboards.resolution import resolution_words
from dashboards.steps import Steps
from proxmon.board import Board, JudgedHost, PastBoard
from proxmon.bus import Changes
from proxmon.context import Monitor
from proxmon.errors import ProxmonError
from proxmon.samples import parse_time

log = logging.getLogger(__name__)

# A page that hears nothing for 20 s asks whether the server is still there (link.js).
BEAT_SECONDS = 5.0


class Page(pn.viewable.Viewer):
    """A page of the monitor, live or as of a past moment.

    A live page has its board at once; a past one loads it when the browser is connected. Both are then read alike.
    """

    monitor: Monitor = param.Parameter(doc="The running monitor.")  # pyright: ignore[reportAssignmentType]
    at: datetime | None = param.Date(default=None, doc="The past moment shown; None shows the present.")  # pyright: ignore[reportAssignmentType]

    template_name: ClassVar[str]
    nav: ClassVar[str] = "/"
    has_past: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.channel = Channel()
        self.channel.on_msg(self._received)
        self.board: Board | PastBoard | None = self.monitor.board if self.at is None else None
        self._unsubscribe: Callable[[], None] | None = None
        self._document: Any = None
        self._counted_at = 0.0
        self._beat_at = 0.0
        self._counts: Message = {}
        self._is_over = False

    def __panel__(self) -> Channel:
        return self.channel

    @property
    def title(self) -> str:
        """Return the page's name, as the browser's tab shows it."""
        raise NotImplementedError

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Return the way to this page as addresses and labels."""
        return [(self.nav, self.title)]

    @property
    def stepped_host(self) -> str | None:
        """Return whose events one steps through; None for those of the fleet."""
        return None

    @property
    def now(self) -> datetime:
        """Return the moment that the page shows."""
        return self.at or self.monitor.clock()

    def newest(self, judged: JudgedHost) -> Newest:
        """Return a host's newest samples at the page's moment."""
        return Newest(judged, self.monitor.board.rules, self.now)

    def context(self) -> dict[str, object]:
        """Return what the page's template shows first."""
        raise NotImplementedError

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the messages that bring the browser up to date; without changes, compare everything."""
        raise NotImplementedError

    async def receive(self, message: Message) -> None:
        """Take a message from the browser."""

    def attach(self) -> None:
        """Stop when the session ends; the page starts when its channel says hello."""
        self._document = pn.state.curdoc
        self._document.on_session_destroyed(self._stop)

    async def _start(self) -> None:
        if self.at is not None and self.board is None:
            await self.load(self.at)
        if self._unsubscribe is None and not self._is_over:
            self._unsubscribe = self.monitor.bus.subscribe(self._push)
        self._push(None)

    async def load(self, at: datetime) -> None:
        """Load what the page shows of a past moment."""
        try:
            self.board = await self.monitor.past(at)
        except ProxmonError as error:
            self.tell(str(error))

    def tell(self, sentence: str) -> None:
        """Show a sentence about what went wrong above the page."""
        self._send([{"to": "notice", "text": sentence, "kind": "critical"}])

    async def _received(self, event: Any) -> None:
        if not isinstance(event.data, dict):
            return
        message = _whole(event.data)
        if "hello" in message:
            await self._start()
        elif message.get("to") == "travel":
            steps = Steps(self.monitor.step, self.stepped_host, self.at)
            self._answer(await steps.answer(message, self.monitor.clock()))
        else:
            await self.receive(message)

    def _stop(self, _session: object) -> None:
        self._is_over = True
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _push(self, changes: Changes | None) -> None:
        is_still = self.at is not None and changes is not None
        news = () if is_still or self.board is None else self.refresh(changes)
        self._send([*self._beat(changes), *self._count_alerts(changes), *self._tell_resolution(changes), *news])

    def shown_hosts(self) -> list[JudgedHost]:
        """List the hosts that the page shows."""
        return self.board.list_hosts() if self.board is not None else []

    def _tell_resolution(self, changes: Changes | None) -> Iterator[Message]:
        """Give what a past moment is shown from, where that is less than all samples."""
        if changes is not None or self.at is None:
            return
        words = resolution_words(judged.snapshot for judged in self.shown_hosts())
        if words:
            yield {"to": "travel", "words": words}

    def _count_alerts(self, changes: Changes | None) -> Iterator[Message]:
        """Give the header's counts when they changed, also by time; a page of the past shows those of now as well.

        What time alone changes, such as the end of a silence, can wait for the next beat: every alert is looked at.
        """
        now = unix(self.monitor.clock()) or 0.0
        if changes is None or changes.is_alerts_changed or now - self._counted_at >= BEAT_SECONDS:
            self._counted_at = now
            counts = alert_counts(self.monitor)
            if changes is None or counts != self._counts:
                self._counts = counts
                yield {"to": "alert-count", **counts}

    def _beat(self, changes: Changes | None) -> Iterator[Message]:
        now = unix(self.monitor.clock()) or 0.0
        if changes is None or now - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            yield {"to": "link", "now": now}

    def _answer(self, message: Message) -> None:
        """Send an answer, unless the session ended before it was there."""
        if not self._is_over:
            self._send([message])

    def _send(self, messages: list[Message]) -> None:
        if messages:
            with set_curdoc(self._document), unlocked():
                self.channel.send(messages)


def _whole(message: Message) -> Message:
    """Return a browser's message without halves of surrogate pairs, which could be neither stored nor sent back."""
    return json.loads(json.dumps(message, ensure_ascii=False, default=str, skipkeys=True).encode(errors="replace"))


def read_moment(monitor: Monitor) -> tuple[datetime | None, str]:
    """Return the past moment that the address asks for, and a sentence when it cannot be read."""
    text = argument("at")
    usual, words = (monitor.moment, "is not in this copy") if monitor.moment else (None, "has not come yet")
    if not text:
        return usual, ""
    try:
        at = parse_time(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        return usual, f"“{text[:40]}” is no time; this is {_called(usual)}. Write it as 2026-11-20T03:12Z."
    if at > monitor.clock():
        return usual, f"{clock_text(at)} {words}; this is {_called(usual)}."
    return at, ""


def _called(moment: datetime | None) -> str:
    return clock_text(moment) if moment else "the present"


def argument(name: str) -> str:
    """Return an argument of the page's address, empty when it is not there."""
    values = (pn.state.session_args or {}).get(name, [b""])
    return values[0].decode(errors="replace")[:500]


def asked_host() -> str:
    """Return the host that the page was asked from, as the server sees it: behind a proxy it may be another."""
    return str((pn.state.headers or {}).get("Host", ""))


def document_notice(text: str) -> Markup:
    """Return a sentence that stands above the page's content; empty text gives nothing."""
    return Markup('<p class="notice" role="status">{}</p>').format(text) if text else Markup("")
