"""Every operation of the HTTP routes: who may ask for it, with what, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxmon.events import KIND_GROUPS, EventKind
from proxmon.openapi.parameters import (
    ACKNOWLEDGEMENT,
    AS,
    AT,
    CHANNEL,
    FAREWELL,
    FILE,
    NAMED,
    NEW_CHANNEL,
    NUMBER_ID,
    OF_NAME,
    QUERY,
    REHEARSAL,
    RULES,
    SILENCE,
    in_query,
)
from proxmon.openapi.schemas import BOOLEAN, NAME, SENT_MOMENT, STRING, Schema, one_of, options, record, ref
from proxmon.status import RULE_NAMES
from proxmon.tokens import Role

JSON = "application/json"


class Access(StrEnum):
    """Who may ask."""

    ANYBODY = "anybody"
    HOST = "a host"
    READER = "a reader"
    ADMIN = "an administrator"


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path. ``refusals`` are the answers besides those that its access brings."""

    name: str
    method: str
    path: str
    access: Access
    summary: str
    answer: Schema | None = None
    status: int = 200
    content_type: str = JSON
    refusals: tuple[int, ...] = ()
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    is_body_required: bool = True

    def list_refusals(self) -> list[int]:
        """List the statuses of all answers that refuse."""
        changes = self.method not in ("get", "head")
        by_access = {
            Access.ANYBODY: set[int](),
            Access.HOST: {401},
            # With a cookie, what is no plain question is checked for its origin.
            Access.READER: {401, 403} if changes else {401},
            Access.ADMIN: {401, 403},
        }
        too_large = set[int]() if self.body is None else {413}
        # A name or a text can be no UTF-8; a number in the path is one, or there is no such path.
        unreadable = {400} if any(one is not NUMBER_ID for one in self.parameters) else set[int]()
        return sorted(by_access[self.access] | too_large | unreadable | set(self.refusals))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        *("ingest", "post", "/api/ingest", Access.HOST, "Store an agent's samples; answered once they are durable."),
        answer=ref("Receipt"),
        body=ref("Message"),
        refusals=(400, 422, 429, 503),
    ),
    Operation(
        *("goodbye", "post", "/api/goodbye", Access.HOST, "The agent stops: its host is offline at once."),
        status=204,
        body=FAREWELL,
        is_body_required=False,
        refusals=(400, 429, 503),
    ),
    Operation(
        *("listHosts", "get", "/api/hosts", Access.READER, "All hosts by name, judged."),
        answer=ref("Hosts"),
        parameters=(AT, AS),
        refusals=(422, 503),
    ),
    Operation(
        *("addHost", "post", "/api/hosts", Access.ADMIN, "Add a host; its token is shown this once."),
        answer=ref("Issued"),
        status=201,
        body=NAMED,
        refusals=(400, 409, 422, 503),
    ),
    Operation(
        *("getHost", "get", "/api/hosts/{name}", Access.READER, "One host, judged."),
        answer=ref("Host"),
        parameters=(OF_NAME, AT, AS),
        refusals=(404, 422, 503),
    ),
    Operation(
        *("deleteHost", "delete", "/api/hosts/{name}", Access.ADMIN, "Delete a host and, unless told, its history."),
        status=204,
        parameters=(OF_NAME, in_query("keep_history", BOOLEAN, "Keep the history.")),
        refusals=(404, 503),
    ),
    Operation(
        *("rotateToken", "post", "/api/hosts/{name}/rotate", Access.ADMIN, "A new token; the old one is refused."),
        answer=ref("Issued"),
        parameters=(OF_NAME,),
        refusals=(404, 503),
    ),
    Operation(
        *("searchGuests", "get", "/api/guests", Access.READER, "The guests whose name, vmid or address contains q."),
        answer=ref("Guests"),
        parameters=(in_query("q", STRING, "A part of name, vmid or address."), AT, AS),
        refusals=(422, 503),
    ),
    Operation(
        *("listAlerts", "get", "/api/alerts", Access.READER, "Open alerts and those of 30 days, the newest first."),
        answer=ref("Alerts"),
        parameters=(
            AT,
            in_query("state", one_of("open", "acknowledged", "closed"), "Only alerts in this state."),
            in_query("severity", one_of("warning", "critical"), "Only alerts that are so bad."),
            in_query("host", STRING, "Only those of this host."),
            in_query("rule", STRING, f"Only those of this rule, such as {RULE_NAMES[0]}."),
        ),
        refusals=(422, 503),
    ),
    Operation(
        *("acknowledge", "post", "/api/alerts/{id}/acknowledgement", Access.ADMIN, "Somebody knows of an alert."),
        answer=ref("Alert"),
        parameters=(NUMBER_ID,),
        body=ACKNOWLEDGEMENT,
        is_body_required=False,
        refusals=(400, 404, 422, 503),
    ),
    Operation(
        *("unacknowledge", "delete", "/api/alerts/{id}/acknowledgement", Access.ADMIN, "Take that back."),
        status=204,
        parameters=(NUMBER_ID,),
        refusals=(404, 503),
    ),
    Operation(
        *("listSilences", "get", "/api/silences", Access.READER, "The silences that are not over."),
        answer=ref("Silences"),
    ),
    Operation(
        *("addSilence", "post", "/api/silences", Access.ADMIN, "Silence an alert, or all that patterns choose."),
        answer=ref("Silence"),
        status=201,
        body=SILENCE,
        refusals=(400, 422, 503),
    ),
    Operation(
        *("endSilence", "delete", "/api/silences/{id}", Access.ADMIN, "End a silence now."),
        status=204,
        parameters=(NUMBER_ID,),
        refusals=(404, 503),
    ),
    Operation(
        *("listChannels", "get", "/api/channels", Access.ADMIN, "Where alerts are told, without the addresses."),
        answer=ref("Channels"),
    ),
    Operation(
        *("addChannel", "post", "/api/channels", Access.ADMIN, "Add a place where alerts are told."),
        answer=ref("Channel"),
        status=201,
        body=NEW_CHANNEL,
        refusals=(400, 409, 422, 503),
    ),
    Operation(
        *("changeChannel", "patch", "/api/channels/{name}", Access.ADMIN, "Change what the body names."),
        answer=ref("Channel"),
        parameters=(OF_NAME,),
        body=options(**CHANNEL),
        refusals=(400, 404, 422, 503),
    ),
    Operation(
        *("deleteChannel", "delete", "/api/channels/{name}", Access.ADMIN, "Delete a channel with its address."),
        status=204,
        parameters=(OF_NAME,),
        refusals=(404, 503),
    ),
    Operation(
        *("testChannel", "post", "/api/channels/{name}/test", Access.ADMIN, "Send a test message."),
        answer=record(name=STRING, accepted=BOOLEAN),
        parameters=(OF_NAME,),
        refusals=(404, 502),
    ),
    Operation(
        *("getRules", "get", "/api/rules", Access.READER, "The owner's rules that hold."),
        answer=ref("Rules"),
        parameters=(in_query("host", STRING, "With each value that holds on this host."),),
        refusals=(404,),
    ),
    Operation(
        *("putRules", "put", "/api/rules", Access.ADMIN, "Replace the owner's rules; they count at once."),
        answer=ref("Rules"),
        body=RULES,
        refusals=(400, 422, 503),
    ),
    Operation(
        *("rehearse", "post", "/api/rules/rehearsal", Access.ADMIN, "What rules would have done on stored samples."),
        answer=ref("Rehearsal"),
        body=REHEARSAL,
        refusals=(400, 409, 422, 503),
    ),
    Operation(
        *("listEvents", "get", "/api/events", Access.READER, "What happened to the hosts, the newest first."),
        answer=ref("Events"),
        parameters=(
            AT,
            in_query("host", STRING, "Only those of this host."),
            in_query("kind", one_of(*KIND_GROUPS, *EventKind), "Only this kind, or these kinds; may be repeated."),
            in_query("since", SENT_MOMENT, "From this moment on."),
            in_query("until", SENT_MOMENT, "Before this moment."),
            in_query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many at most; 100 by default."),
        ),
        refusals=(422, 503),
    ),
    Operation(
        *("query", "post", "/api/query", Access.READER, "Ask the store in SQL that only reads."),
        answer=FILE,
        content_type="application/vnd.apache.arrow.stream",
        body=QUERY,
        refusals=(400, 422, 429, 503),
    ),
    Operation(
        *("compact", "post", "/api/compact", Access.ADMIN, "Give the room of deleted rows back to the disk."),
        answer=ref("Compaction"),
        refusals=(409, 503),
    ),
    Operation(
        *("backup", "post", "/api/backup", Access.ADMIN, "Copy everything into a directory on the server's machine."),
        answer=record(path=STRING),
        refusals=(409, 503),
    ),
    Operation(
        *("listTokens", "get", "/api/tokens", Access.ADMIN, "Names and roles of the API's tokens."),
        answer=ref("Tokens"),
    ),
    Operation(
        *("addToken", "post", "/api/tokens", Access.ADMIN, "Make a token of the API; it is shown this once."),
        answer=ref("Issued"),
        status=201,
        body=record(name=NAME) | {"properties": {"name": NAME, "role": one_of(*Role)}},
        refusals=(400, 409, 422, 503),
    ),
    Operation(
        *("revokeToken", "delete", "/api/tokens/{name}", Access.ADMIN, "Refuse a token of the API from now on."),
        status=204,
        parameters=(OF_NAME,),
        refusals=(404, 503),
    ),
    Operation(
        *("describe", "get", "/api/openapi.json", Access.ANYBODY, "This description."), answer={"type": "object"}
    ),
    Operation(
        *("metrics", "get", "/metrics", Access.READER, "The fleet and the server for Prometheus."),
        answer=STRING,
        content_type="text/plain",
    ),
    *(
        operation
        for method in ("get", "head")
        for operation in (
            Operation(
                *(f"{method}Health", method, "/healthz", Access.ANYBODY, "Whether samples can be stored now."),
                answer=ref("Health"),
                refusals=(503,),
            ),
            Operation(
                *(f"{method}Agent", method, "/agent/proxmon-agent.pyz", Access.ANYBODY, "The agent's program."),
                answer=FILE,
                content_type="application/zip",
            ),
            Operation(
                *(f"{method}AgentDigest", method, "/agent/proxmon-agent.pyz.sha256", Access.ANYBODY, "Its digest."),
                answer=STRING,
                content_type="text/plain",
            ),
            Operation(
                *(f"{method}Installer", method, "/agent/install.sh", Access.ANYBODY, "The script that installs it."),
                answer=STRING,
                content_type="text/x-shellscript",
                refusals=(400,),
            ),
        )
    ),
)
