"""All API routes in one table."""

from __future__ import annotations

from typing import Any

from tornado.web import RequestHandler

from proxmon.context import Monitor
from proxmon.handlers.agent import ArchiveHandler, DigestHandler, InstallScriptHandler
from proxmon.handlers.alerts import AcknowledgementHandler, AlertsHandler, SilenceHandler, SilencesHandler
from proxmon.handlers.base import ApiHandler
from proxmon.handlers.channels import ChannelHandler, ChannelsHandler, ChannelTestHandler
from proxmon.handlers.events import EventsHandler
from proxmon.handlers.health import HealthHandler
from proxmon.handlers.hosts import (
    GuestsHandler,
    HostHandler,
    HostsHandler,
    RotateHandler,
    TokenHandler,
    TokensHandler,
)
from proxmon.handlers.ingest import GoodbyeHandler, IngestHandler
from proxmon.handlers.metrics import MetricsHandler
from proxmon.handlers.openapi import DescriptionHandler
from proxmon.handlers.query import QueryHandler
from proxmon.handlers.rules import RehearsalHandler, RulesHandler
from proxmon.handlers.store import BackupHandler, CompactionHandler

Route = tuple[str, type[RequestHandler], dict[str, Any]]

HANDLERS: tuple[tuple[str, type[ApiHandler]], ...] = (
    (r"/healthz", HealthHandler),
    (r"/metrics", MetricsHandler),
    (r"/api/ingest", IngestHandler),
    (r"/api/goodbye", GoodbyeHandler),
    (r"/api/hosts", HostsHandler),
    (r"/api/hosts/([^/]+)", HostHandler),
    (r"/api/hosts/([^/]+)/rotate", RotateHandler),
    (r"/api/guests", GuestsHandler),
    (r"/api/alerts", AlertsHandler),
    (r"/api/alerts/(\d+)/acknowledgement", AcknowledgementHandler),
    (r"/api/silences", SilencesHandler),
    (r"/api/silences/(\d+)", SilenceHandler),
    (r"/api/channels", ChannelsHandler),
    (r"/api/channels/([^/]+)", ChannelHandler),
    (r"/api/channels/([^/]+)/test", ChannelTestHandler),
    (r"/api/events", EventsHandler),
    (r"/api/rules", RulesHandler),
    (r"/api/rules/rehearsal", RehearsalHandler),
    (r"/api/query", QueryHandler),
    (r"/api/compact", CompactionHandler),
    (r"/api/backup", BackupHandler),
    (r"/api/tokens", TokensHandler),
    (r"/api/tokens/([^/]+)", TokenHandler),
    (r"/api/openapi\.json", DescriptionHandler),
    (r"/agent/proxmon-agent\.pyz", ArchiveHandler),
    (r"/agent/proxmon-agent\.pyz\.sha256", DigestHandler),
    (r"/agent/install\.sh", InstallScriptHandler),
)


# Answered 404. /components and autoload.js are Panel's, and no page of ours needs them: below the one it imports
# whatever module a path names, for anybody, and the other starts a page inside another site's. No file has a NUL.
CLOSED = (r"/api/.*", r"/agent/.*", r"/components/.*", r"/(?:.*/)?autoload\.js", r"/.*%00.*")


class UnknownHandler(ApiHandler):
    """Answers what is not there, in the form of all errors."""

    async def prepare(self) -> None:
        """Answer 404 to every method."""
        self.send_error(404)


def list_routes(monitor: Monitor, prefix: str = "") -> list[Route]:
    """List the routes for a Tornado application, each below ``prefix``."""
    arguments = {"monitor": monitor}
    table = (*HANDLERS, *((pattern, UnknownHandler) for pattern in CLOSED))
    return [(prefix + pattern, handler, arguments) for pattern, handler in table]
