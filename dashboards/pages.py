"""The table of pages: which path shows which page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import panel as pn

from dashboards.admin import AdminPage
from dashboards.alerts import AlertsPage
from dashboards.channels import ChannelsPage
from dashboards.events import EventsPage
from dashboards.formats import clock_text
from dashboards.guests import GuestsPage
from dashboards.host import HostPage
from dashboards.live import Page, argument, read_moment
from dashboards.overview import OverviewPage
from dashboards.rules import RulesPage
from dashboards.shell import NAME, page_template
from dashboards.store import StorePage
from proxmon.context import Monitor

COPY_NOTICE = "This is a copy, which is only read: nothing can be changed here."


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page: its path, with parameters in braces as Panel's router reads them, and how it is made."""

    path: str
    title: str
    make: Callable[[Monitor], pn.Template]


def overview(monitor: Monitor) -> pn.Template:
    """Return the overview."""
    missing = argument("missing")
    return _page(OverviewPage, monitor, f"There is no host “{missing}”." if missing else "")


def host(monitor: Monitor) -> pn.Template:
    """Return the page of the host that the address names."""
    return _page(HostPage, monitor, host_name=unquote(pn.state.route_params["name"]))


def guests(monitor: Monitor) -> pn.Template:
    """Return the search over all guests."""
    return _page(GuestsPage, monitor, query=argument("q"))


def alerts(monitor: Monitor) -> pn.Template:
    """Return the alerts."""
    return _page(AlertsPage, monitor)


def events(monitor: Monitor) -> pn.Template:
    """Return what happened in the fleet."""
    return _page(EventsPage, monitor)


def admin(monitor: Monitor) -> pn.Template:
    """Return the administration of hosts, which has no past."""
    return _present(AdminPage, monitor)


def channels(monitor: Monitor) -> pn.Template:
    """Return the channels, which have no past."""
    return _present(ChannelsPage, monitor)


def store(monitor: Monitor) -> pn.Template:
    """Return what the store holds and the server costs, now."""
    return _present(StorePage, monitor)


def rules(monitor: Monitor) -> pn.Template:
    """Return the rules, which have no past."""
    return _present(RulesPage, monitor)


def _page(kind: type[Page], monitor: Monitor, notice: str = "", **params: str) -> pn.Template:
    at, problem = read_moment(monitor)
    return page_template(kind(monitor=monitor, at=at, **params), notice or problem)


def _present(kind: type[Page], monitor: Monitor) -> pn.Template:
    """Return a page that has no past, and says so where the address asks for one."""
    page = kind(monitor=monitor)
    if monitor.moment is not None:
        return page_template(page, COPY_NOTICE)
    at, problem = read_moment(monitor)
    return page_template(page, f"“{page.title}” has no past: this is now, not {clock_text(at)}." if at else problem)


PAGES: tuple[PageSpec, ...] = (
    PageSpec("/", f"Overview · {NAME}", overview),
    PageSpec("/hosts/{name}", f"Host · {NAME}", host),
    PageSpec("/vms", f"Guests · {NAME}", guests),
    PageSpec("/alerts", f"Alerts · {NAME}", alerts),
    PageSpec("/events", f"Events · {NAME}", events),
    PageSpec("/admin/channels", f"Channels · {NAME}", channels),
    PageSpec("/admin/hosts", f"Manage hosts · {NAME}", admin),
    PageSpec("/admin/rules", f"Rules · {NAME}", rules),
    PageSpec("/admin/store", f"Store · {NAME}", store),
)


def page_function(spec: PageSpec, monitor: Monitor) -> Callable[[], pn.Template]:
    """Return the function without arguments that Panel calls for every visit."""

    def make() -> pn.Template:
        return spec.make(monitor)

    return make
