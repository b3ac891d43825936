"""The page for an address where nothing is."""

from __future__ import annotations

from tornado.web import RequestHandler

from dashboards.headers import FORM_POLICY
from dashboards.plain import plain_page
from proxmon.context import Monitor


class MissingPageHandler(RequestHandler):
    """Answers 404 to whatever no other route answers, with a way home."""

    monitor: Monitor

    def initialize(self, monitor: Monitor) -> None:
        """Take the running monitor."""
        self.monitor = monitor

    def set_default_headers(self) -> None:
        """Let the page run nothing but what is ours."""
        self.set_header("Content-Security-Policy", FORM_POLICY)

    def prepare(self) -> None:
        """Answer every method alike."""
        self.set_status(404)
        prefix = self.monitor.settings.root
        self.finish(plain_page("missing.html", prefix, home=prefix + "/"))
