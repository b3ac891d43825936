"""Joins operations, schemas and credentials to one OpenAPI document."""

from __future__ import annotations

from typing import Any

from proxmon.openapi.operations import OPERATIONS, Access, Operation
from proxmon.openapi.schemas import Schema, list_schemas, ref
from proxmon.version import __version__

SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ANYBODY: [],
    Access.HOST: [{"hostToken": []}],
    Access.READER: [{"apiToken": []}, {"loginCookie": []}],
    Access.ADMIN: [{"apiToken": []}, {"loginCookie": []}],
}
SCHEMES = {
    "hostToken": {"type": "http", "scheme": "bearer", "description": "The token of one host, for its agent."},
    "apiToken": {"type": "http", "scheme": "bearer", "description": "A token that `proxmon tokens add` made."},
    "loginCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "user",
        "description": "The dashboard's session. A change must also come from our own pages, by its Origin.",
    },
}
REFUSALS = {
    400: "The request cannot be read.",
    401: "There is no valid credential.",
    403: "The credential does not allow this.",
    404: "The named thing does not exist.",
    409: "The name is taken.",
    413: "The message is too large.",
    422: "A field is wrong; the sentence names it.",
    429: "More is asked than can be done now: come back after Retry-After.",
    502: "The other service did not accept it.",
    503: "The store cannot be used now: come back after Retry-After.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
CHALLENGE = {"WWW-Authenticate": {"description": "What to send.", "schema": {"type": "string"}}}


def describe(root: str = "") -> dict[str, Any]:
    """Return the document for a server whose paths begin with ``root``."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "proxmon",
            "version": __version__,
            "summary": "A monitor for Proxmox VE hosts with ZFS",
            "description": "docs/api.md explains what each answer means.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": list_schemas(),
            "securitySchemes": SCHEMES,
            "responses": {str(status): _refusal(status) for status in REFUSALS},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": SECURITY[operation.access],
        "responses": _answers(operation),
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body is not None:
        content = {"application/json": {"schema": operation.body}}
        described["requestBody"] = {"required": operation.is_body_required, "content": content}
    return described


def _answers(operation: Operation) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None and operation.method != "head":
        done["content"] = {operation.content_type: {"schema": operation.answer}}
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in operation.list_refusals()}
    return {str(operation.status): done} | refusals


def _refusal(status: int) -> Schema:
    headers = RETRY_AFTER if status in (429, 503) else CHALLENGE if status == 401 else {}
    answer: Schema = {
        "description": REFUSALS[status],
        "content": {"application/json": {"schema": ref("Error")}},
    }
    return answer | ({"headers": headers} if headers else {})
