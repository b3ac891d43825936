"""All routes of the application, each with who may use it and what a request looks like that is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.builders import a_message


class Access(StrEnum):
    """Who may use a route."""

    EVERYBODY = "everybody"
    HOST = "a host's token"
    READER = "a reader's token or a session"
    ADMIN = "an administrator's token or a session"
    SESSION = "a session"
    SOCKET = "a session, as a websocket"
    LINK = "whoever holds a link that we signed"
    PASSWORD = "who knows the password"


@dataclass(frozen=True)
class Use:
    """A way to use a route: what a request looks like that is allowed, and by whom."""

    access: Access
    path: str
    method: str = "GET"
    body: bytes | None = None


CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
HOST_PATH = "/api/hosts/pve-routes"
# The patterns of the application's own rules; a route has a use for each of its methods.
TABLE: dict[str, tuple[Use, ...]] = {
    "/healthz$": (Use(Access.EVERYBODY, "/healthz"),),
    "/metrics$": (Use(Access.READER, "/metrics"),),
    "/api/compact$": (Use(Access.ADMIN, "/api/compact", "POST"),),
    "/api/backup$": (Use(Access.ADMIN, "/api/backup", "POST"),),
    "/api/ingest$": (Use(Access.HOST, "/api/ingest", "POST", a_message(samples=[])),),
    "/api/goodbye$": (Use(Access.HOST, "/api/goodbye", "POST", b""),),
    "/api/hosts$": (
        Use(Access.READER, "/api/hosts"),
        Use(Access.ADMIN, "/api/hosts", "POST", b'{"name": "not a name!"}'),
    ),
    "/api/hosts/([^/]+)$": (
        Use(Access.READER, HOST_PATH),
        Use(Access.ADMIN, "/api/hosts/nobody", "DELETE"),
    ),
    "/api/hosts/([^/]+)/rotate$": (Use(Access.ADMIN, "/api/hosts/nobody/rotate", "POST", b""),),
    "/api/guests$": (Use(Access.READER, "/api/guests?q=x"),),
    "/api/alerts$": (Use(Access.READER, "/api/alerts"),),
    r"/api/alerts/(\d+)/acknowledgement$": (
        Use(Access.ADMIN, "/api/alerts/99999999/acknowledgement", "POST", b"{}"),
        Use(Access.ADMIN, "/api/alerts/99999999/acknowledgement", "DELETE"),
    ),
    "/api/silences$": (
        Use(Access.READER, "/api/silences"),
        Use(Access.ADMIN, "/api/silences", "POST", b'{"no": "silence"}'),
    ),
    r"/api/silences/(\d+)$": (Use(Access.ADMIN, "/api/silences/99999999", "DELETE"),),
    "/api/channels$": (
        Use(Access.ADMIN, "/api/channels"),
        Use(Access.ADMIN, "/api/channels", "POST", b'{"no": "channel"}'),
    ),
    "/api/channels/([^/]+)$": (
        Use(Access.ADMIN, "/api/channels/nobody", "PATCH", b"{}"),
        Use(Access.ADMIN, "/api/channels/nobody", "DELETE"),
    ),
    "/api/channels/([^/]+)/test$": (Use(Access.ADMIN, "/api/channels/nobody/test", "POST", b"{}"),),
    "/api/events$": (Use(Access.READER, "/api/events"),),
    "/api/rules$": (
        Use(Access.READER, "/api/rules"),
        Use(Access.ADMIN, "/api/rules", "PUT", b'{"text": "[[nothing]]"}'),
    ),
    "/api/rules/rehearsal$": (Use(Access.ADMIN, "/api/rules/rehearsal", "POST", b'{"text": "[[nothing]]"}'),),
    "/api/query$": (Use(Access.READER, "/api/query", "POST", b'{"sql": "SELECT 1"}'),),
    "/api/tokens$": (
        Use(Access.ADMIN, "/api/tokens"),
        Use(Access.ADMIN, "/api/tokens", "POST", b'{"name": "x", "role": "no such role"}'),
    ),
    "/api/tokens/([^/]+)$": (Use(Access.ADMIN, "/api/tokens/nobody", "DELETE"),),
    r"/api/openapi\.json$": (Use(Access.EVERYBODY, "/api/openapi.json"),),
    r"/agent/proxmon-agent\.pyz$": (Use(Access.EVERYBODY, "/agent/proxmon-agent.pyz"),),
    r"/agent/proxmon-agent\.pyz\.sha256$": (Use(Access.EVERYBODY, "/agent/proxmon-agent.pyz.sha256"),),
    r"/agent/install\.sh$": (Use(Access.EVERYBODY, "/agent/install.sh"),),
    "/api/.*$": (Use(Access.EVERYBODY, "/api/nothing"),),
    "/agent/.*$": (Use(Access.EVERYBODY, "/agent/nothing"),),
    "/acknowledge/([A-Za-z0-9._-]{1,200})$": (
        Use(Access.LINK, "/acknowledge/forged"),
        Use(Access.LINK, "/acknowledge/forged", "POST", b""),
    ),
    r"/hosts/([^/]+)/values\.(csv|parquet|json)$": (
        Use(Access.READER, "/hosts/pve-routes/values.csv?since=0&until=60&show=host:60"),
    ),
    "/login$": (Use(Access.EVERYBODY, "/login"), Use(Access.PASSWORD, "/login", "POST")),
    "/logout$": (Use(Access.EVERYBODY, "/logout"), Use(Access.EVERYBODY, "/logout", "POST", b"")),
    "/assets/(.*)$": (Use(Access.EVERYBODY, "/assets/login.css"),),
    "/static/(?!extensions/)(.*)$": (Use(Access.EVERYBODY, "/static/js/bokeh.min.js"),),
    "/static/extensions/(.*)$": (Use(Access.EVERYBODY, "/static/extensions/panel/panel.min.js"),),
    "/static/(.*)$": (Use(Access.EVERYBODY, "/static/js/bokeh.min.js"),),
    "/hosts/(?:[^/]+)/static/(.*)$": (Use(Access.EVERYBODY, "/hosts/x/static/js/bokeh.min.js"),),
    "/alerts/static/(.*)$": (Use(Access.EVERYBODY, "/alerts/static/js/bokeh.min.js"),),
    "/events/static/(.*)$": (Use(Access.EVERYBODY, "/events/static/js/bokeh.min.js"),),
    "/vms/static/(.*)$": (Use(Access.EVERYBODY, "/vms/static/js/bokeh.min.js"),),
    "/admin/channels/static/(.*)$": (Use(Access.EVERYBODY, "/admin/channels/static/js/bokeh.min.js"),),
    "/admin/rules/static/(.*)$": (Use(Access.EVERYBODY, "/admin/rules/static/js/bokeh.min.js"),),
    "/admin/store/static/(.*)$": (Use(Access.EVERYBODY, "/admin/store/static/js/bokeh.min.js"),),
    "/admin/hosts/static/(.*)$": (Use(Access.EVERYBODY, "/admin/hosts/static/js/bokeh.min.js"),),
    "/favicon.ico$": (Use(Access.EVERYBODY, "/favicon.ico"),),
    # Panel would import the module that the path names; ours stands before it and knows none.
    "/components/.*$": (Use(Access.EVERYBODY, "/components/dashboards.components/Channel/_esm/x"),),
    "/components/(.*)$": (Use(Access.EVERYBODY, "/components/os/x/y/z"),),
    # Panel would start a page inside another site's.
    r"/(?:.*/)?autoload\.js$": (Use(Access.EVERYBODY, "/vms/autoload.js?bokeh-autoload-element=x"),),
    # Of which Tornado's static files would make a 500.
    "/.*%00.*$": (Use(Access.EVERYBODY, "/static/js/%00"),),
    "/?$": (Use(Access.SESSION, "/"),),
    "/ws$": (Use(Access.SOCKET, ""),),
    "/metadata$": (Use(Access.SESSION, "/metadata"),),
    "/autoload.js$": (Use(Access.EVERYBODY, "/autoload.js?bokeh-autoload-element=x"),),
}
for name, example in (
    ("/hosts/(?P<name>[^/]+)", "/hosts/pve-routes"),
    ("/vms", "/vms"),
    ("/alerts", "/alerts"),
    ("/events", "/events"),
    ("/admin/channels", "/admin/channels"),
    ("/admin/hosts", "/admin/hosts"),
    ("/admin/rules", "/admin/rules"),
    ("/admin/store", "/admin/store"),
):
    TABLE |= {
        f"{name}/?$": (Use(Access.SESSION, example),),
        f"{name}/ws$": (Use(Access.SOCKET, example),),
        f"{name}/metadata$": (Use(Access.SESSION, f"{example}/metadata"),),
        f"{name}/autoload.js$": (Use(Access.EVERYBODY, f"{example}/autoload.js?bokeh-autoload-element=x"),),
    }
# Wrong passwords make everybody wait: what they get is in tests/contract/test_login.py.
USES = [use for uses in TABLE.values() for use in uses if use.access is not Access.PASSWORD]
