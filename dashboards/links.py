"""The page behind a message's link: asks before it acknowledges one alert, without a login and without scripts."""

from __future__ import annotations

from typing import Any

from tornado.web import RequestHandler

from dashboards.headers import FORM_POLICY
from dashboards.plain import plain_page
from dashboards.shell import NAME
from proxmon.alerts.records import AlertRecord
from proxmon.context import Monitor
from proxmon.errors import NotFoundError, TokenError
from proxmon.handlers.base import http_status

BY_LINK = "somebody with the message's link"


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

    def get(self, token: str) -> None:
        """Ask; a program that follows links changes nothing."""
        self._answer(token, is_done=False)

    async def post(self, token: str) -> None:
        """Acknowledge the alert."""
        self._answer(token, is_done=True)
        await self.monitor.alerts.stored()

    def _answer(self, token: str, *, is_done: bool) -> None:
        try:
            record = self._find(token)
            now = self.monitor.clock()
            if is_done and not record.is_acknowledged(now):
                record = self.monitor.alerts.acknowledge(record.id, BY_LINK)
            self._show(record, is_done=record.is_acknowledged(now))
        except (NotFoundError, TokenError) as error:
            self.set_status(http_status(error))
            self._show(None, error=str(error))

    def _find(self, token: str) -> AlertRecord:
        record = self.monitor.alerts.find(self.monitor.links.read(token, self.monitor.clock()))
        if record is None or not record.is_open:
            raise NotFoundError("Nothing is left to do: this alert is over.")
        return record

    def _show(self, record: AlertRecord | None, *, is_done: bool = False, error: str = "") -> None:
        prefix = self.monitor.settings.root
        page = plain_page(
            "acknowledge.html",
            prefix,
            message=record.newest.message if record else "",
            host=(self.monitor.alerts.host_of(record) or NAME) if record else "",
            severity=record.severity.value if record else "",
            is_done=is_done,
            error=error,
            home=prefix + "/alerts",
        )
        self.finish(page)


def list_link_routes(monitor: Monitor) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes that messages lead to."""
    root = monitor.settings.root
    return [(rf"{root}/acknowledge/([A-Za-z0-9._-]{{1,200}})", AcknowledgeLinkHandler, {"monitor": monitor})]
