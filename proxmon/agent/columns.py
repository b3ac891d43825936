"""Split the tables of `zpool list` and `zfs list`, whatever columns were asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import units

Layout = tuple[str, ...]
Checks = Mapping[str, Callable[[str], bool]]

_BLANKS = re.compile(r"[ \t]+")


def is_amount(field: str) -> bool:
    """Return whether the field is a count, a size, a percentage or `-`."""
    return field == "-" or units.parse_number(field) is not None or units.parse_decimal(field) is not None


def is_name(field: str) -> bool:
    """Return whether the field can be the name of a pool or a dataset."""
    return field not in ("", "-")


def read_rows(
    lines: Iterable[str], headings: Mapping[str, str], layouts: Iterable[Layout], checks: Checks
) -> Iterator[dict[str, str]]:
    """Yield column → field for each row.

    Columns come from a line of headings; without one (`-H`) they are the first of the layouts that has the row's
    number of columns and whose checks hold. Rows that fit nothing and indented rows (the vdevs of `-v`) are left out.
    A name may hold blanks.
    """
    known = tuple(layouts)
    layout: Layout | None = None
    for line in (each.rstrip("\r\n") for each in lines):
        if not line.strip() or line[0] in " \t":
            continue
        fields = _BLANKS.split(line.strip())
        if fields[0] == "NAME" and all(field.isupper() for field in fields):
            layout = tuple(headings.get(field, field.lower()) for field in fields)
            continue
        row = _fit(line, (layout,) if layout else known, checks)
        if row is not None:
            yield row


def _fit(line: str, layouts: tuple[Layout, ...], checks: Checks) -> dict[str, str] | None:
    for fields, layout in _readings(line, layouts):
        if len(fields) == len(layout) and _holds(fields, layout, checks):
            return dict(zip(layout, fields))
    return None


def _readings(line: str, layouts: tuple[Layout, ...]) -> Iterator[tuple[list[str], Layout]]:
    """Yield the ways to split a line, the surest first: at tabs, at blanks, at blanks with some inside the name."""
    if "\t" in line:
        by_tabs = [field.strip() for field in line.split("\t")]
        yield from ((by_tabs, layout) for layout in layouts)
    by_blanks = [field.replace("\xa0", " ") for field in _BLANKS.split(units.join_dates(line).strip())]
    yield from ((by_blanks, layout) for layout in layouts)
    yield from ((_merge_name(by_blanks, len(layout)), layout) for layout in layouts)


def _merge_name(fields: list[str], count: int) -> list[str]:
    # With one column every line of words would be a name.
    surplus = len(fields) - count
    if surplus < 1 or count < 2:
        return []
    return [" ".join(fields[: surplus + 1]), *fields[surplus + 1 :]]


def _holds(fields: list[str], layout: Layout, checks: Checks) -> bool:
    return all(checks[column](field) for column, field in zip(layout, fields) if column in checks)


def as_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as values by the unit in their column's name; `-` is None."""
    return {column: _value(column, field) for column, field in row.items()}


def _value(column: str, field: Any) -> Any:
    if column.endswith(("_bytes", "_unix", "createtxg")):
        return units.parse_number(field)
    if column.endswith(("_percent", "_ratio")):
        return units.parse_decimal(field)
    if column.startswith("is_"):
        return {"on": True, "off": False}.get(str(field))
    return None if field in ("-", "", None) else str(field)
