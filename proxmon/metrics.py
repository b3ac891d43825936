"""The fleet and the server as Prometheus metrics: names and units by Prometheus' conventions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from proxmon.alerts.records import AlertCounts
from proxmon.board import Board, JudgedHost
from proxmon.costmetrics import CostCollector
from proxmon.findings import Status, Verdict
from proxmon.ingest import Ingest
from proxmon.payload import FastPayload, HostSection, Pool, Tier
from proxmon.rules.zpools import capacity_percent

Channels = Sequence[Mapping[str, Any]]  # as the API answers them
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# name, help, and the field of the host section: what is not known has no sample.
HOST_GAUGES = (
    ("proxmon_host_load1", "Load average over one minute.", "load1", 1.0),
    ("proxmon_host_cpu_ratio", "Share of the CPUs in use, 0 to 1.", "cpu_percent", 0.01),
    ("proxmon_host_memory_used_bytes", "Memory in use, the ARC included.", "mem_used_bytes", 1.0),
    ("proxmon_host_memory_total_bytes", "Memory of the host.", "mem_total_bytes", 1.0),
    ("proxmon_host_arc_bytes", "Memory that the ARC of ZFS holds.", "arc_bytes", 1.0),
)


def metrics_text(board: Board, ingest: Ingest, alerts: AlertCounts, channels: Channels, costs: CostCollector) -> bytes:
    """Return all metrics in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(costs)
    registry.register(FleetCollector(board, ingest, alerts, channels))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class FleetCollector(Collector):
    """Reads the board and the ingest's counters once for a scrape."""

    def __init__(self, board: Board, ingest: Ingest, alerts: AlertCounts, channels: Channels) -> None:
        self._board, self._ingest, self._alerts, self._channels = board, ingest, alerts, channels

    def collect(self) -> Iterator[Metric]:
        """Give every metric with its samples."""
        hosts = self._board.list_hosts()
        yield from _status_metrics(hosts)
        yield from _host_metrics(hosts)
        yield from _zpool_metrics(hosts)
        yield from self._alert_metrics()
        yield from self._channel_metrics()
        yield from self._ingest_metrics()

    def _alert_metrics(self) -> Iterator[Metric]:
        alerts = GaugeMetricFamily("proxmon_alerts", "Alerts that are not over.", labels=["severity", "state"])
        for (severity, state), count in self._alerts.items():
            alerts.add_metric([severity, state], count)
        yield alerts

    def _channel_metrics(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "proxmon_channel_waiting", "Alerts that it is still to be told.", labels=["channel"]
        )
        failures = GaugeMetricFamily("proxmon_channel_failures", "Failed attempts in a row.", labels=["channel"])
        paused = GaugeMetricFamily("proxmon_channel_paused", "Whether it is paused (1) or not.", labels=["channel"])
        for channel in self._channels:
            paused.add_metric([channel["name"]], float(channel["paused_at"] is not None))
            waiting.add_metric([channel["name"]], channel["waiting"])
            failures.add_metric([channel["name"]], channel["failures"])
        yield from (waiting, failures, paused)

    def _ingest_metrics(self) -> Iterator[Metric]:
        stored = CounterMetricFamily("proxmon_samples", "Samples received since the start.", labels=["outcome"])
        stored.add_metric(["stored"], self._ingest.stored_count)
        stored.add_metric(["duplicate"], self._ingest.duplicate_count)
        yield stored


def _status_metrics(hosts: Iterable[JudgedHost]) -> Iterator[Metric]:
    status = GaugeMetricFamily("proxmon_host_status", "1 for the status of the host.", labels=["host", "status"])
    verdict = GaugeMetricFamily("proxmon_finding", "1 for the verdict of the rule.", labels=["host", "rule", "verdict"])
    seen = GaugeMetricFamily(
        "proxmon_host_last_seen_timestamp_seconds", "When the newest message of the host was accepted.", labels=["host"]
    )
    for judged in hosts:
        for one in Status:
            status.add_metric([judged.name, one.value], float(judged.status.status is one))
        for finding in judged.status.findings:
            for kind in Verdict:
                verdict.add_metric([judged.name, finding.rule, kind.value], float(finding.verdict is kind))
        if judged.snapshot.last_seen_at is not None:
            seen.add_metric([judged.name], judged.snapshot.last_seen_at.timestamp())
    yield from (status, verdict, seen)


def _host_metrics(hosts: Iterable[JudgedHost]) -> Iterator[Metric]:
    known = [(judged.name, section) for judged in hosts if (section := _host_section(judged)) is not None]
    for name, text, field, factor in HOST_GAUGES:
        gauge = GaugeMetricFamily(name, text, labels=["host"])
        for host, section in known:
            value: float | None = getattr(section, field)
            if value is not None:
                gauge.add_metric([host], value * factor)
        yield gauge


def _zpool_metrics(hosts: Iterable[JudgedHost]) -> Iterator[Metric]:
    used = GaugeMetricFamily("proxmon_zpool_used_ratio", "Used share of the zpool, 0 to 1.", labels=["host", "zpool"])
    online = GaugeMetricFamily("proxmon_zpool_online", "1 when the zpool is ONLINE.", labels=["host", "zpool"])
    for judged in hosts:
        for pool in _pools(judged):
            percent = capacity_percent(pool)
            if percent is not None:
                used.add_metric([judged.name, pool.name], percent / 100)
            if pool.health is not None:
                online.add_metric([judged.name, pool.name], float(pool.health == "ONLINE"))
    yield from (used, online)


def _fast(judged: JudgedHost) -> FastPayload | None:
    """Return the newest fast payload, or None on an offline host, where nothing is known of it."""
    sample = judged.snapshot.samples.get(Tier.FAST)
    is_known = sample is not None and judged.status.status is not Status.OFFLINE
    return sample.payload if sample and is_known and isinstance(sample.payload, FastPayload) else None


def _host_section(judged: JudgedHost) -> HostSection | None:
    payload = _fast(judged)
    return payload.host if payload else None


def _pools(judged: JudgedHost) -> tuple[Pool, ...]:
    payload = _fast(judged)
    return (payload.zfs_pools.pools or ()) if payload and payload.zfs_pools else ()
