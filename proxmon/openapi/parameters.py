"""The parameters and bodies that the operations share."""

from __future__ import annotations

from proxmon.alerts.model import Severity
from proxmon.openapi.schemas import (
    BOOLEAN,
    INTEGER,
    NAME,
    SENT_MOMENT,
    STRING,
    TEXT,
    Schema,
    null_or,
    one_of,
    options,
    record,
)


def in_query(name: str, schema: Schema, text: str) -> Schema:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "schema": schema, "description": text}


def in_path(name: str, schema: Schema) -> Schema:
    """Return a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


AT = in_query("at", SENT_MOMENT, "The answer as of a past moment.")
AS = in_query("as", one_of("known", "collected"), "With `at`: what was known then, or what was so then.")
OF_NAME = in_path("name", NAME)
NUMBER_ID = in_path("id", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1})
NAMED = record(name=NAME)
FAREWELL = options(reason=null_or(TEXT))
ACKNOWLEDGEMENT = options(reason=null_or(TEXT), until=null_or(SENT_MOMENT))
SILENCE = options(
    alert=null_or(INTEGER),
    host=null_or(TEXT),
    rule=null_or(TEXT),
    subject=null_or(TEXT),
    from_=null_or(SENT_MOMENT),
    until=null_or(SENT_MOMENT),
    hours=null_or(TEXT),
    reason=null_or(TEXT),
)
QUERY: Schema = record(sql=STRING) | {
    "properties": {"sql": STRING, "parameters": {"type": ["array", "object", "null"], "items": True}}
}
RULES = record(text=STRING)
REHEARSAL: Schema = RULES | {
    "properties": {"text": STRING, "days": {"type": "number", "exclusiveMinimum": 0, "maximum": 90}}
}
FILE: Schema = {"type": "string", "format": "binary"}
CHANNEL: dict[str, Schema] = {
    "url": {"type": "string", "maxLength": 2000},
    "severity": one_of(*Severity),
    "hosts": TEXT,
    "quiet_hours": TEXT,
    "tells_ends": BOOLEAN,
    "paused": BOOLEAN,
}
NEW_CHANNEL: Schema = options(name=NAME, **CHANNEL) | {"required": ["name", "url"]}
