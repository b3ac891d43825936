"""What the server and its store cost, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from proxmon.costs import Latency, ServerCost, StoreReport


class CostCollector(Collector):
    """Tells what was measured; a store that cannot be asked now has no values."""

    def __init__(self, report: StoreReport | None, server: ServerCost, latency: Latency) -> None:
        self._report, self._server, self._latency = report, server, latency

    def collect(self) -> Iterator[Metric]:
        """Give every metric with its samples."""
        latency = SummaryMetricFamily("proxmon_ingest_seconds", "Time from a message's arrival until it was durable.")
        latency.add_metric([], count_value=self._latency.count, sum_value=self._latency.sum_seconds)
        yield latency
        sent = CounterMetricFamily("proxmon_page_sent_bytes", "Sent to open pages since the start.")
        sent.add_metric([], self._server.usage.page_bytes)
        yield sent
        if self._server.usage.written_bytes is not None:
            written = CounterMetricFamily("proxmon_written_bytes", "Written to disks since the start.")
            written.add_metric([], self._server.usage.written_bytes)
            yield written
        if self._report is not None:
            yield from _table_metrics(self._report)
            yield from _file_metrics(self._report)


def _table_metrics(report: StoreReport) -> Iterator[Metric]:
    rows = GaugeMetricFamily("proxmon_store_table_rows", "Rows of a table.", labels=["table"])
    size = GaugeMetricFamily("proxmon_store_table_bytes", "Bytes of a table in the store's file.", labels=["table"])
    kept = GaugeMetricFamily(
        "proxmon_store_table_retention_seconds", "How long a table keeps its rows.", labels=["table"]
    )
    for table in report.tables:
        rows.add_metric([table.name], table.rows)
        size.add_metric([table.name], table.size_bytes)
        if table.days is not None:
            kept.add_metric([table.name], table.days * 86_400)
    yield from (rows, size, kept)


def _file_metrics(report: StoreReport) -> Iterator[Metric]:
    for name, text, value in (
        ("proxmon_store_file_bytes", "Size of the store's file.", report.file.file_bytes),
        ("proxmon_store_free_bytes", "Part of the store's file that is free.", report.file.free_bytes),
        ("proxmon_store_wal_bytes", "Size of the store's write-ahead log.", report.file.wal_bytes),
        ("proxmon_store_journal_bytes", "Size of the journal.", report.file.journal_bytes),
        (
            "proxmon_store_pending_samples",
            "Samples on their way into the tables.",
            report.pending_samples,
        ),
    ):
        gauge = GaugeMetricFamily(name, text)
        gauge.add_metric([], value)
        yield gauge
