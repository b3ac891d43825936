"""The agent's routes: samples and goodbye, with the host's token."""

from __future__ import annotations

import msgspec
from tornado.web import stream_request_body

from proxmon.errors import ReadOnlyError, TokenError, UnreadableError
from proxmon.handlers.base import ApiHandler
from proxmon.handlers.bodies import Body

MAX_REASON_CHARACTERS = 64


@stream_request_body
class AgentHandler(ApiHandler):
    """Authenticates the host before its body is kept; its size is bounded before that (bodies.py)."""

    _body: Body | None = None

    async def prepare(self) -> None:
        """Find the host that the token belongs to; a refusal is answered after the body was read."""
        self._body = Body(self.monitor.ingest.budget)
        self._refusal: TokenError | ReadOnlyError | None = None
        self.host_id, self._token = 0, self.bearer_token() or ""
        try:
            if self.monitor.moment is not None:
                raise ReadOnlyError(
                    "Send samples to the server of this fleet: this one shows a copy, which is only read."
                )
            self.host_id = await self.monitor.hosts.authenticate(self._token)
        except (TokenError, ReadOnlyError) as error:
            self._refusal = error

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body unless it is refused."""
        if self._body is not None and self._refusal is None:
            self._body.add(chunk)

    def on_finish(self) -> None:
        """Let go of the body, which was answered."""
        self._let_go()

    def on_connection_close(self) -> None:
        """Let go of the body, which nobody waits for any more."""
        super().on_connection_close()
        self._let_go()

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.let_go()

    def read_body(self) -> bytes:
        """Return the whole body; raises the refusal if there is one."""
        if self._refusal is not None:
            raise self._refusal
        assert self._body is not None  # `prepare` made it
        return self._body.read()

    def check_token(self) -> None:
        """Raise TokenError when the token was replaced while the request was on its way."""
        self.monitor.hosts.check(self.host_id, self._token)


class IngestHandler(AgentHandler):
    """``POST /api/ingest``: answers once the samples are durable."""

    async def post(self) -> None:
        """Store the message's samples."""
        body, encoding = self.read_body(), self.request.headers.get("Content-Encoding", "")
        receipt = await self.monitor.ingest.accept(self.host_id, body, encoding, self.check_token)
        self.answer({"stored": receipt.stored, "duplicates": receipt.duplicates})


class GoodbyeHandler(AgentHandler):
    """``POST /api/goodbye``: the host is offline at once."""

    async def post(self) -> None:
        """Note that the agent was stopped."""
        reason = read_reason(self.read_body())
        self.check_token()
        await self.monitor.hosts.goodbye(self.host_id, reason)
        self.set_status(204)
        self.finish()


def read_reason(body: bytes) -> str | None:
    """Return the reason that a goodbye gives, such as ``reboot``; an empty body gives none."""
    if not body.strip():
        return None
    try:
        reason = msgspec.json.decode(body, type=dict[str, object]).get("reason")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableError("Send a JSON object or nothing.") from error
    return str(reason)[:MAX_REASON_CHARACTERS] if reason is not None else None
