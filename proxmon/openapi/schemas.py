"""The schemas of the API's bodies: messages come from the types that read them, answers are described here."""

from __future__ import annotations

from typing import Any

import msgspec

from proxmon.alerts.model import EventKind as AlertEventKind
from proxmon.alerts.model import Severity
from proxmon.events import EventKind
from proxmon.findings import Status, Verdict
from proxmon.fleet import Resolution
from proxmon.payload import PAYLOAD_TYPES, Tier
from proxmon.samples import MAX_INTERVAL_SECONDS, MAX_SAMPLES
from proxmon.tokens import Role

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
VALUE: Schema = {"type": ["number", "string", "null"]}
# A moment that is accepted wherever one is sent: the server reads more of ISO 8601 than this.
_DATE, _CLOCK = (
    r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
    r"([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?",
)
SENT_MOMENT: Schema = MOMENT | {"pattern": f"^{_DATE}T{_CLOCK}Z$"}
NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"}
TEXT: Schema = {"type": "string", "maxLength": 200}


def ref(name: str) -> Schema:
    """Return the reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def null_or(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    """Return the schema of a text that is one of these."""
    return {"type": "string", "enum": [str(word) for word in words]}


def list_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def record(**properties: Schema) -> Schema:
    """Return the schema of an object with all of these keys; ``from_`` stands for a word that Python keeps."""
    named = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": named, "required": list(named)}


def options(**properties: Schema) -> Schema:
    """Return the schema of an object that may have these keys."""
    return record(**properties) | {"required": []}


def list_schemas() -> dict[str, Schema]:
    """Return all schemas by name."""
    payloads = tuple(PAYLOAD_TYPES.values())
    _, made = msgspec.json.schema_components(payloads, ref_template="#/components/schemas/{name}")
    return made | _message() | _answers() | _alert_answers() | _rule_answers()


def _message() -> dict[str, Schema]:
    seconds = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_INTERVAL_SECONDS}
    intervals = {"type": "object", "additionalProperties": null_or(seconds)}
    samples = {"type": "array", "items": ref("Sample"), "maxItems": MAX_SAMPLES}
    message = options(
        samples=samples,
        agent_version=null_or(STRING),
        interval_s=null_or(seconds),
        intervals_s=null_or(intervals),
        sent_at=null_or(SENT_MOMENT),
    )
    kinds = [_sent_sample(tier) for tier in Tier]
    return {"Message": message | {"required": ["samples"]}, "Sample": {"oneOf": kinds}}


def _sent_sample(tier: Tier) -> Schema:
    payload = ref(PAYLOAD_TYPES[tier].__name__)
    return record(tier=one_of(tier), collected_at=SENT_MOMENT, payload=payload)


def _answers() -> dict[str, Schema]:
    stored = record(
        collected_at=MOMENT,
        received_at=MOMENT,
        interval_s=NUMBER,
        payload={"type": "object"},
    )
    detail = record(subject=STRING, verdict=one_of(*Verdict), message=STRING, value=VALUE)
    return {
        "Error": record(error=STRING),
        "Receipt": record(stored=INTEGER, duplicates=INTEGER),
        "Health": record(status=one_of("ok")) | {"properties": {"status": one_of("ok"), "rules": STRING}},
        "Issued": record(name=STRING, token=STRING),
        "Token": record(name=STRING, role=one_of(*Role), created_at=MOMENT),
        "Compaction": record(before_bytes=INTEGER, after_bytes=INTEGER, seconds=NUMBER),
        "Tokens": record(tokens=list_of(ref("Token"))),
        "Host": record(
            host=STRING,
            name=STRING,
            id=INTEGER,
            status=one_of(*Status),
            unknown=INTEGER,
            created_at=MOMENT,
            last_seen_at=null_or(MOMENT),
            resolution=one_of(*Resolution),
            kept_at=null_or(MOMENT),
            agent_version=null_or(STRING),
            findings=list_of(ref("Finding")),
            skipped=list_of(record(rule=STRING, why=STRING)),
            forecasts=list_of(ref("Forecast")),
            samples={
                "type": "object",
                "properties": dict.fromkeys(map(str, Tier), stored),
                "additionalProperties": False,
            },
        ),
        "Hosts": record(at=MOMENT, hosts=list_of(ref("Host"))),
        "Finding": record(
            rule=STRING,
            verdict=one_of(*Verdict),
            message=STRING,
            subject=STRING,
            value=VALUE,
            unit=STRING,
            threshold=STRING,
            clears_when=STRING,
            since=null_or(MOMENT),
            observed_at=null_or(MOMENT),
            age_seconds=null_or(NUMBER),
            details=list_of(detail),
        ),
        "Forecast": record(
            kind=one_of("zpool", "storage", "dataset"),
            subject=STRING,
            at=MOMENT,
            full_at=null_or(MOMENT),
            days=null_or(NUMBER),
            earliest_days=null_or(NUMBER),
            latest_days=null_or(NUMBER),
            bytes_per_day=null_or(NUMBER),
            why=null_or(STRING),
            held=INTEGER,
            tried=INTEGER,
            history_days=INTEGER,
        ),
        "Guest": record(
            host=STRING,
            host_id=INTEGER,
            vmid=INTEGER,
            type=null_or(STRING),
            name=null_or(STRING),
            run_state=null_or(STRING),
            ips=null_or(list_of(STRING)),
            macs=null_or(list_of(STRING)),
        ),
        "Guests": record(at=MOMENT, guests=list_of(ref("Guest"))),
        "Event": record(
            host=null_or(STRING),
            host_id=INTEGER,
            happened_at=MOMENT,
            recorded_at=MOMENT,
            kind=one_of(*EventKind),
            rule=null_or(STRING),
            subject=null_or(STRING),
            was=null_or(STRING),
            became=null_or(STRING),
            message=null_or(STRING),
            started_at=null_or(MOMENT),
            duration_seconds=null_or(NUMBER),
        ),
        "Events": record(at=MOMENT, events=list_of(ref("Event"))),
    }


def _alert_answers() -> dict[str, Schema]:
    moment = record(
        at=MOMENT,
        kind=one_of(*AlertEventKind),
        severity=one_of(*Severity),
        message=STRING,
        value=VALUE,
        by=STRING,
        detail=STRING,
    )
    acknowledged = record(by=STRING, at=MOMENT, reason=STRING, until=null_or(MOMENT))
    return {
        "Alert": record(
            id=INTEGER,
            host=null_or(STRING),
            host_id=INTEGER,
            state=one_of("open", "acknowledged", "closed"),
            severity=one_of(*Severity),
            worst_severity=one_of(*Severity),
            rule=STRING,
            cause=STRING,
            subject=STRING,
            message=STRING,
            value=VALUE,
            unit=STRING,
            threshold=STRING,
            clears_when=STRING,
            began_at=MOMENT,
            opened_at=MOMENT,
            closed_at=null_or(MOMENT),
            flapping=BOOLEAN,
            acknowledged=null_or(acknowledged),
            silenced_by=null_or(INTEGER),
            events=list_of(moment),
        ),
        "Alerts": record(at=MOMENT, alerts=list_of(ref("Alert"))),
        "Silence": record(
            id=INTEGER,
            by=STRING,
            reason=STRING,
            from_=MOMENT,
            until=null_or(MOMENT),
            alert=null_or(INTEGER),
            host=STRING,
            rule=STRING,
            subject=STRING,
            hours=STRING,
        ),
        "Channel": record(
            name=STRING,
            service=STRING,
            severity=one_of(*Severity),
            hosts=STRING,
            quiet_hours=STRING,
            tells_ends=BOOLEAN,
            paused_at=null_or(MOMENT),
            waiting=INTEGER,
            failures=INTEGER,
            error=null_or(STRING),
            last_sent_at=null_or(MOMENT),
        ),
        "Channels": record(channels=list_of(ref("Channel"))),
        "Silences": record(silences=list_of(ref("Silence"))),
    }


def _rule_answers() -> dict[str, Schema]:
    value = {"type": ["number", "boolean", "string", "null"]}
    effective = record(rule=STRING, subject=STRING, key=STRING, value=value, origin=STRING, is_own=BOOLEAN)
    rules = record(text=STRING, problems=list_of(STRING))
    side = record(count=INTEGER, critical=INTEGER, hosts=INTEGER, seconds=NUMBER)
    times = {"severity": one_of(*Severity), "opened_at": MOMENT, "closed_at": null_or(MOMENT), "seconds": NUMBER}
    alert = record(
        change=one_of("same", "new", "gone", "other"),
        host=STRING,
        rule=STRING,
        subject=STRING,
        message=STRING,
        was=null_or(record(**times)),
        **times,
    )
    return {
        "Rules": rules | {"properties": rules["properties"] | {"effective": list_of(effective)}},
        "Rehearsal": record(
            since=MOMENT,
            until=MOMENT,
            first_at=null_or(MOMENT),
            full_since=null_or(MOMENT),
            samples=INTEGER,
            step_seconds=NUMBER,
            is_cut=BOOLEAN,
            alerts=list_of(alert),
            present=side,
            edited=side,
        ),
    }
