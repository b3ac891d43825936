"""The search over the guests of all hosts, by name, vmid and IP address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import param

from dashboards.components import Column, Message, Part, Rows
from dashboards.live import Page
from proxmon.board import Board, JudgedHost, PastBoard
from proxmon.bus import Changes
from proxmon.guests import Guest, list_guests

COLUMNS = (
    Column("name", "Name", "name"),
    Column("vmid", "ID", "number"),
    Column("host", "Host", "host"),
    Column("type", "Type", "guest-type"),
    Column("run_state", "State", "run-state"),
    Column("ips", "IP addresses", "list", is_sortable=False),
    Column("tags", "Tags", "tags", is_sortable=False, is_optional=True),
)


def search_rows(judged: JudgedHost) -> list[Message]:
    """List a host's guests as rows of the search."""
    return [_row(guest) for guest in list_guests(judged)]


def _row(guest: Guest) -> Message:
    return {
        "key": f"{guest.host_id}/{guest.type}/{guest.vmid}",
        "name": guest.name,
        "vmid": guest.vmid,
        "host": guest.host,
        "type": guest.type,
        "run_state": guest.run_state,
        "ips": None if guest.ips is None else list(guest.ips),
        "tags": list(guest.tags),
        "lock": guest.lock or "",
        "template": guest.is_template,
    }


class GuestRows:
    """The rows of a board's hosts, made once per verdict and shared by all open pages."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[JudgedHost, list[Message]]] = {}

    def get(self, judged: JudgedHost) -> list[Message]:
        """Return the rows of a host; do not change them."""
        known = self._made.get(judged.id)
        if known is not None and known[0] is judged:
            return known[1]
        rows = search_rows(judged)
        self._made[judged.id] = (judged, rows)
        return rows

    def forget(self, gone: set[int]) -> None:
        """Drop the rows of hosts that are gone."""
        for host_id in gone:
            self._made.pop(host_id, None)


_by_board: WeakKeyDictionary[Board | PastBoard, GuestRows] = WeakKeyDictionary()


class GuestsPage(Page):
    """All guests of the fleet. The browser filters them as one types; changes are sent by row."""

    query: str = param.String(default="", doc="What the search starts with, from the address.")  # pyright: ignore[reportAssignmentType]

    template_name: ClassVar[str] = "guests.html"
    nav: ClassVar[str] = "/vms"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = Rows()

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Guests"

    def context(self) -> dict[str, object]:
        """Return all guests as they are now; those of a past moment come when they are loaded."""
        rows = self._all_rows(self.board) if self.board is not None else []
        self._shown = Rows(rows)
        table = {
            "columns": [column.spec for column in COLUMNS],
            "rows": rows,
            "role": "guest-row",
            "attributes": {"vmid": "vmid", "host": "host"},
            "sort": ["name", 1],
            "page": 150,
        }
        state = {"table": table, "query": self.query, "loading": self.board is None, "hosts": self._host_count()}
        return {"search": Part("guests", "guest-search.js", state)}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the rows that differ from what the browser shows."""
        board = self.board
        assert board is not None
        if changes is None or changes.is_fleet_changed:
            message = self._shown.replace(self._all_rows(board))
            made = rows_of(board)
            made.forget({host_id for host_id in (changes.host_ids if changes else ()) if board.find(host_id) is None})
        else:
            message = self._compare(board, changes.host_ids)
        if message or changes is None:
            yield {"to": "guests", "hosts": self._host_count(), **message}

    def _compare(self, board: Board | PastBoard, host_ids: frozenset[int]) -> Message:
        made = rows_of(board)
        found = [board.find(host_id) for host_id in host_ids]
        rows = [row for judged in found if judged is not None for row in made.get(judged)]
        return self._shown.replace(rows, among=lambda key: int(key.split("/", 1)[0]) in host_ids)

    def _all_rows(self, board: Board | PastBoard) -> list[Message]:
        made = rows_of(board)
        return [row for judged in board.list_hosts() for row in made.get(judged)]

    def _host_count(self) -> int:
        return len(self.board) if self.board is not None else 0


def rows_of(board: Board | PastBoard) -> GuestRows:
    """Return the rows of a board's hosts, the same object for every page."""
    return _by_board.setdefault(board, GuestRows())
