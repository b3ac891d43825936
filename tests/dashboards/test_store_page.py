"""The page of the store tells sizes, spans and costs, and compacts on demand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dashboards.store import StorePage, table_row
from proxmon.errors import ConflictError
from tests.dashboards.parts import REPORT, StoreMemory, a_monitor


async def measured(page: StorePage) -> list[dict[str, Any]]:
    """Let the page measure the store and return what it sends."""
    sent: list[dict[str, Any]] = []
    page._send = sent.extend
    assert list(page.refresh(None)) == []
    await asyncio.gather(*page._tasks)
    return sent


def test_a_table_tells_what_it_holds_and_for_how_long() -> None:
    kept, others = (table_row(table, a_monitor()) for table in REPORT.tables)
    assert (kept["rows"], kept["size"], kept["daily"]) == (1000, 2**20, 2**18)
    assert (kept["kept"], kept["setting"]) == ("14 days", "PROXMON_KEEP_ROWS_DAYS")
    assert (others["kept"], others["setting"], others["daily"]) == ("for ever", "", None)


def test_the_page_is_shown_before_the_store_was_measured() -> None:
    context = StorePage(monitor=a_monitor()).context()
    assert "iB" in str(context["costs"])
    assert "–" in str(context["costs"])


def test_sizes_come_when_they_were_measured_and_once_a_minute() -> None:
    async def ask() -> tuple[list[Any], list[Any]]:
        page = StorePage(monitor=a_monitor())
        return await measured(page), await measured(page)

    first, second = asyncio.run(ask())
    sections, tables = first
    assert "1 GiB" in sections["html"]["costs"]
    assert "256 MiB of it free" in sections["html"]["costs"]
    assert {row["name"] for row in tables["put"]} == {"host_samples", "events"}
    assert second == []


def test_a_compaction_tells_what_it_gained() -> None:
    async def ask(monitor: Any) -> list[Any]:
        page, sent = StorePage(monitor=monitor), list[Any]()
        page._send = sent.extend
        await page.receive({"to": "compaction", "action": "compact"})
        return [message for message in sent if message["to"] == "compaction"]

    assert asyncio.run(ask(a_monitor())) == [{"to": "compaction", "done": "1 GiB became 512 MiB in 12 s"}]


def test_a_compaction_that_is_refused_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: StoreMemory) -> None:
        raise ConflictError("Wait.")

    monkeypatch.setattr(StoreMemory, "compact", refuse)

    async def ask() -> list[Any]:
        page, sent = StorePage(monitor=a_monitor()), list[Any]()
        page._send = sent.extend
        await page.receive({"to": "compaction", "action": "compact"})
        return sent

    assert {"to": "compaction", "error": "Wait."} in asyncio.run(ask())
