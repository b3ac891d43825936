"""Answers of a running server, on this machine or another, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from proxmon.answers import iso
from proxmon.client.frames import CUT_OFF, pa, read_batches
from proxmon.client.sources import Batches, Parameters, Rows
from proxmon.errors import ForbiddenError, NotFoundError, OverloadedError, ProxmonError, QueryError, TokenError
from proxmon.runtime import utc_now

TIMEOUT_SECONDS = 60
TOO_MANY, RETRY_SECONDS = 429, 2.0


class ServerSource:
    """Asks a running server, on this machine or another."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        return self._get("/api/hosts", at=iso(at))["hosts"]

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host."""
        return self._get(f"/api/hosts/{quote(name, safe='')}", at=iso(at))

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match."""
        return self._get("/api/guests", q=query, at=iso(at))["guests"]

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the batches of a query as they arrive."""
        body = json.dumps({"sql": sql, "parameters": parameters}, default=str).encode()
        with self._open("/api/query", body) as answer:
            try:
                yield from read_batches(answer)
            except (pa.ArrowException, OSError, HTTPException) as error:
                raise QueryError(CUT_OFF) from error

    def now(self) -> datetime:
        """Return the present."""
        return utc_now()

    def hold(self) -> AbstractContextManager[None]:
        """Do nothing: a server answers each question by itself."""
        return nullcontext()

    def is_reader(self) -> bool:
        """Tell whether the token is a reader's: it is known, and yet not allowed what an administrator may see.

        Raises:
            TokenError: it is unknown.
        """
        try:
            self._get("/api/tokens")
        except ForbiddenError:
            return True
        return False

    def _get(self, path: str, **parameters: str | None) -> Any:
        given = {name: value for name, value in parameters.items() if value}
        with self._open(f"{path}?{urlencode(given)}" if given else path) as answer:
            return json.load(answer)

    def _open(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers)  # noqa: S310 - the caller's own
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310 - as above
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from error
        except (OSError, HTTPException) as error:
            raise ProxmonError(f"Look at the server at {self._url}: it does not answer ({error}).") from error


def _refusal(error: urllib.error.HTTPError) -> ProxmonError:
    if error.code == TOO_MANY:
        return OverloadedError(_sentence(error), float(error.headers.get("Retry-After", RETRY_SECONDS)))
    kinds = {401: TokenError, 403: ForbiddenError, 404: NotFoundError, 422: QueryError}
    return kinds.get(error.code, ProxmonError)(_sentence(error))


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
