"""The page behind a message's link: acknowledges or silences, without a login and without scripts, once asked to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from tornado.web import RequestHandler

from dashboards.headers import FORM_POLICY
from dashboards.plain import plain_page
from dashboards.shell import NAME
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.silences import read_text
from proxmon.context import Monitor
from proxmon.errors import NotFoundError, ProxmonError, SampleError
from proxmon.handlers.base import decode, http_status

BY_LINK = "somebody with the message's link"
SPANS = {"1": "an hour", "8": "8 hours", "24": "a day"}
MOST_HOURS = 24  # whoever has the link silences for no longer than that


class Deed(StrEnum):
    """What the page offers."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE_ALERT = "silence-alert"
    SILENCE_HOST = "silence-host"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was chosen; ``hours`` is None for an acknowledgement that holds until the alert ends or gets worse."""

    deed: Deed
    hours: int | None
    reason: str


def read_wish(deed: str, hours: str, reason: str) -> Wish:
    """Return what the form asks for; one without any field acknowledges. Raises SampleError."""
    if deed not in ("", *Deed) or hours not in ("", *SPANS):
        raise SampleError("Choose one of the things that the page offers.")
    chosen = Deed(deed or Deed.ACKNOWLEDGE)
    longest = None if chosen is Deed.ACKNOWLEDGE else MOST_HOURS
    return Wish(chosen, int(hours) if hours else longest, read_text({"reason": reason}, "reason"))


class AcknowledgeLinkHandler(RequestHandler):
    """``/acknowledge/TOKEN``: the token alone decides, so a request needs neither cookie nor origin."""

    monitor: Monitor

    def initialize(self, monitor: Monitor) -> None:
        """Take the running monitor."""
        self.monitor = monitor

    def set_default_headers(self) -> None:
        """Let nobody cache the page or learn its address."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", FORM_POLICY)
        self.set_header("Referrer-Policy", "no-referrer")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: who has the link has all that the request needs."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a field of the form; raises UnreadableError."""
        return decode(value, name)

    def get(self, token: str) -> None:
        """Ask; a program that follows links changes nothing."""
        try:
            self._show(self._find(token))
        except ProxmonError as error:
            self._refuse(error)

    head = get

    async def post(self, token: str) -> None:
        """Do what was chosen."""
        try:
            record = self._find(token)
            fields = (self.get_body_argument(name, "") for name in ("deed", "hours", "reason"))
            done = await self._do(record, read_wish(*fields))
        except ProxmonError as error:
            self._refuse(error)
        else:
            self._show(record, done=done)

    async def _do(self, record: AlertRecord, wish: Wish) -> str:
        """Acknowledge or silence; return what that means."""
        alerts, now = self.monitor.alerts, self.monitor.clock()
        until = now + timedelta(hours=wish.hours) if wish.hours else None
        if wish.deed is Deed.ACKNOWLEDGE:
            alerts.acknowledge(record.id, BY_LINK, wish.reason, until)
            await alerts.stored()
            return "Nobody is told again until it gets worse."
        about_alert = wish.deed is Deed.SILENCE_ALERT
        host = alerts.host_of(record)
        if not about_alert and not host:
            raise SampleError("Silence the alert itself: it is about no host.")
        scope = {"alert": record.id} if about_alert else {"host": host}
        ends = {"reason": wish.reason, "until": until.isoformat() if until else None}
        await self.monitor.silences.add(scope | ends, BY_LINK)
        about = "this alert" if about_alert else f"anything of {host}"
        return f"Nobody is told of {about} for {SPANS[str(wish.hours)]}."

    def _refuse(self, error: ProxmonError) -> None:
        self.set_status(http_status(error))
        self._show(None, error=str(error))

    def _find(self, token: str) -> AlertRecord:
        record = self.monitor.alerts.find(self.monitor.links.read(token, self.monitor.clock()))
        if record is None or not record.is_open:
            raise NotFoundError("Nothing is left to do: this alert is over.")
        return record

    def _show(self, record: AlertRecord | None, *, done: str = "", error: str = "") -> None:
        prefix, host = self.monitor.settings.root, self.monitor.alerts.host_of(record) if record else ""
        page = plain_page(
            "acknowledge.html",
            prefix,
            message=record.newest.lasting if record else "",
            where=host or NAME,
            host=host,
            spans=SPANS,
            severity=record.severity.value if record else "",
            known=record.is_acknowledged(self.monitor.clock()) if record else False,
            done=done,
            error=error,
            home=prefix + "/alerts",
        )
        self.finish(page)


def list_link_routes(monitor: Monitor) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes that messages lead to."""
    root = monitor.settings.root
    return [(rf"{root}/acknowledge/([A-Za-z0-9._-]{{1,200}})", AcknowledgeLinkHandler, {"monitor": monitor})]
