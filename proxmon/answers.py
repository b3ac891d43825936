"""The JSON API's answers, made from judged hosts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from proxmon.alerts.model import AlertEvent
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.silences import Silence
from proxmon.auth import IssuedToken
from proxmon.board import JudgedHost
from proxmon.credentials import ApiToken
from proxmon.events import Event
from proxmon.findings import Detail, Finding
from proxmon.forecast import Forecast, ForecastKey
from proxmon.guests import Guest
from proxmon.samples import Sample


def iso(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC, such as ``2026-11-22T20:00:00Z``."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def host_answer(judged: JudgedHost, now: datetime) -> dict[str, Any]:
    """Return a host with its status, findings and newest samples by tier."""
    snapshot, status = judged.snapshot, judged.status
    newest = snapshot.newest_sample
    return {
        "host": judged.name,
        "name": judged.name,
        "id": judged.id,
        "status": status.status,
        "unknown": status.unknown_count,
        "created_at": iso(snapshot.host.created_at),
        "last_seen_at": iso(snapshot.last_seen_at),
        "resolution": snapshot.resolution,
        "kept_at": iso(snapshot.kept_at),
        "agent_version": newest.agent_version if newest else None,
        "findings": [finding_answer(finding, now, judged.find_since(finding)) for finding in status.findings],
        "skipped": [{"rule": one.rule, "why": one.why} for one in status.skipped],
        "forecasts": [forecast_answer(key, one) for key, one in sorted(snapshot.forecasts.items())],
        "samples": {tier.value: sample_answer(sample) for tier, sample in sorted(snapshot.samples.items())},
    }


def forecast_answer(key: ForecastKey, forecast: Forecast) -> dict[str, Any]:
    """Return when something is full, or why that cannot be said, and how often past forecasts held."""
    return {
        "kind": key[0],
        "subject": key[1],
        "at": iso(forecast.at),
        "full_at": iso(forecast.full_at),
        "days": forecast.days,
        "earliest_days": forecast.earliest_days,
        "latest_days": forecast.latest_days,
        "bytes_per_day": forecast.rate,
        "why": forecast.why or None,
        "held": forecast.held,
        "tried": forecast.tried,
        "history_days": forecast.history_days,
    }


def finding_answer(finding: Finding, now: datetime, since: datetime | None) -> dict[str, Any]:
    """Return a finding with its value, threshold, since when it has its verdict, and its details."""
    return {
        "rule": finding.rule,
        "verdict": finding.verdict,
        "message": finding.message,
        "subject": finding.subject,
        "value": finding.value,
        "unit": finding.unit,
        "threshold": finding.threshold,
        "clears_when": finding.clears_when,
        "since": iso(since),
        "observed_at": iso(finding.observed_at),
        "age_seconds": finding.age_seconds(now),
        "details": [_detail_answer(detail) for detail in finding.details],
    }


def happening_answer(event: Event) -> dict[str, Any]:
    """Return an event; what it has nothing to say of is null."""
    return {
        "host": event.host,
        "host_id": event.host_id,
        "happened_at": iso(event.happened_at),
        "recorded_at": iso(event.known_at),
        "kind": event.kind,
        "rule": event.rule or None,
        "subject": event.subject or None,
        "was": event.was,
        "became": event.became,
        "message": event.message or None,
        "started_at": iso(event.started_at),
        "duration_seconds": event.duration_seconds,
    }


def sample_answer(sample: Sample) -> dict[str, Any]:
    """Return a sample with its payload exactly as the agent sent it."""
    return {
        "collected_at": iso(sample.collected_at),
        "received_at": iso(sample.received_at),
        "interval_s": sample.interval_seconds,
        "payload": Raw(sample.raw),
    }


def guest_answer(guest: Guest) -> dict[str, Any]:
    """Return a row of the guest search; ``ips`` is null where the addresses are not known."""
    return {
        "host": guest.host,
        "host_id": guest.host_id,
        "vmid": guest.vmid,
        "type": guest.type,
        "name": guest.name,
        "run_state": guest.run_state,
        "ips": guest.ips,
        "macs": guest.macs,
    }


def issued_answer(issued: IssuedToken) -> dict[str, Any]:
    """Return a new token with its name, for showing once."""
    return {"name": issued.name, "token": issued.token}


def token_answer(token: ApiToken) -> dict[str, Any]:
    """Return what is known of an API token; the token itself is not."""
    return {"name": token.name, "role": token.role, "created_at": iso(token.created_at)}


def alert_answer(
    record: AlertRecord, host: str | None, now: datetime, silence: Silence | None = None
) -> dict[str, Any]:
    """Return an alert with all of its moments; ``host`` is null for one about the server or a deleted host."""
    newest, known = record.newest, record.acknowledged
    return {
        "id": record.id,
        "host": host,
        "host_id": record.host_id,
        "state": record.state(now),
        "severity": record.severity,
        "worst_severity": record.worst,
        "rule": newest.rule,
        "cause": newest.cause,
        "subject": newest.subject,
        "message": newest.message,
        "value": newest.value,
        "unit": newest.unit,
        "threshold": newest.threshold,
        "clears_when": newest.clears_when,
        "began_at": iso(record.began_at),
        "opened_at": iso(record.opened_at),
        "closed_at": iso(record.closed_at),
        "flapping": record.is_flapping,
        "acknowledged": known
        and {"by": known.by, "at": iso(known.at), "reason": known.reason, "until": iso(known.until)},
        "silenced_by": silence and silence.id,
        "events": [event_answer(event) for event in record.events],
    }


def silence_answer(silence: Silence) -> dict[str, Any]:
    """Return a silence with what it covers and how long."""
    return {
        "id": silence.id,
        "by": silence.by,
        "reason": silence.reason,
        "from": iso(silence.starts_at),
        "until": iso(silence.ends_at),
        "alert": silence.alert_id,
        "host": silence.host,
        "rule": silence.rule,
        "subject": silence.subject,
        "hours": silence.hours.text if silence.hours else "",
    }


def event_answer(event: AlertEvent) -> dict[str, Any]:
    """Return one moment of an alert."""
    return {
        "at": iso(event.happened_at),
        "kind": event.kind,
        "severity": event.severity,
        "message": event.message,
        "value": event.value,
        "by": event.actor,
        "detail": event.detail,
    }


def _detail_answer(detail: Detail) -> dict[str, Any]:
    return {
        "subject": detail.subject,
        "verdict": detail.verdict,
        "message": detail.message,
        "value": detail.value,
    }
