"""The components of the pages: what Panel carries between a page's parts and the server.

The parts themselves are ES modules that draw into plain elements of the page, so that styles, tests and assistive
technology reach them without shadow roots, and the first state is painted before the websocket is open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
from markupsafe import Markup
from panel.custom import JSComponent

from dashboards import assets_directory
from dashboards.static import escape_json

Message = dict[str, Any]


class Channel(JSComponent):
    """Carries messages between the server and the parts of one open page; a message's ``to`` names its part."""

    _esm: ClassVar[Any] = assets_directory() / "channel.js"

    def send(self, messages: Iterable[Message]) -> None:
        """Send the messages to the browser in one go; nothing is sent when there are none."""
        batch = list(messages)
        if batch:
            self._send_msg(_encode(batch))


def _encode(batch: list[Message]) -> str:
    """Return messages as JSON: of a text Bokeh does not walk through every value. NaN and infinity become null."""
    try:
        return msgspec.json.encode(batch).decode()
    except UnicodeEncodeError:  # half a surrogate pair, such as of a file's name that is no UTF-8
        return json.dumps(batch)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page that the browser draws: the module that draws it and the state it starts from."""

    name: str
    module: str
    state: Message = field(default_factory=dict[str, Any])

    def __html__(self) -> str:
        state = escape_json(json.dumps(self.state, ensure_ascii=False, separators=(",", ":")))
        return Markup('<div data-part="{}" data-module="{}"><script type="application/json">{}</script></div>').format(
            self.name, self.module, state
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a keyed table; ``kind`` says how the browser shows and sorts its values."""

    key: str
    label: str
    kind: str = "text"
    is_sortable: bool = True
    is_optional: bool = False

    @property
    def spec(self) -> Message:
        """Return the column as the browser's module reads it."""
        return {
            "key": self.key,
            "label": self.label,
            "kind": self.kind,
            "sortable": self.is_sortable,
            "optional": self.is_optional,
        }


def table_part(name: str, columns: Iterable[Column], rows: Iterable[Message], **options: Any) -> Part:
    """Return a keyed table. Every row has a ``key``; options are ``role``, ``attributes``, ``sort``, ``empty``, ..."""
    state = {"columns": [column.spec for column in columns], "rows": list(rows), **options}
    return Part(name, "keyed-table.js", state)


def differing(before: Message | None, row: Message) -> Message:
    """Return the row's key and the fields that a browser does not show yet; all of a new row."""
    if before is None:
        return row
    return {name: value for name, value in row.items() if name == "key" or before.get(name) != value}


class Rows:
    """What a browser shows of a keyed list, to tell it only what changed."""

    def __init__(self, rows: Iterable[Message] = ()) -> None:
        self._shown = {row["key"]: row for row in rows}

    def replace(self, rows: Iterable[Message], among: Callable[[str], bool] = lambda key: True) -> Message:
        """Take in the rows and return what changed; ``among`` limits which of the shown keys may vanish."""
        current = {row["key"]: row for row in rows}
        put = [differing(self._shown.get(key), row) for key, row in current.items() if self._shown.get(key) != row]
        gone = [key for key in self._shown if key not in current and among(key)]
        self._shown.update(current)
        for key in gone:
            del self._shown[key]
        return {name: value for name, value in (("put", put), ("remove", gone)) if value}
