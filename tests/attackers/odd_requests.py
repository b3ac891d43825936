"""Requests that are messages of the plainest form but for a part or two, where readers of HTTP are known to differ."""

from __future__ import annotations

import gzip

from hypothesis import strategies as st

from tests.attackers.wire import FAREWELL
from tests.builders import a_message, a_wire_sample

PLAIN_LINE = "POST /api/ingest HTTP/1.1"
LINES = [
    "post /api/ingest HTTP/1.1",
    "POST /api/ingest HTTP/1.0",
    "POST /api/ingest HTTP/1.2",
    "POST /api/ingest HTTP/2.0",
    "POST /api/ingest http/1.1",
    "POST /api/ingest?x=1 HTTP/1.1",
    "POST /api/ingest# HTTP/1.1",
    "POST /api/%69ngest HTTP/1.1",
    "POST //api/ingest HTTP/1.1",
    "POST http://x/api/ingest HTTP/1.1",
    "POST  /api/ingest HTTP/1.1",
    "POST /api/ingest HTTP/1.1 ",
    "POST\t/api/ingest HTTP/1.1",
    "POST /api/ingest\xa0 HTTP/1.1",
    "POST /api/ingest",
    "\r\nPOST /api/ingest HTTP/1.1",
    "\r\n\r\nPOST /api/ingest HTTP/1.1",
    "\nPOST /api/ingest HTTP/1.1",
    " POST /api/ingest HTTP/1.1",
    "PUT /api/ingest HTTP/1.1",
    "GET /api/ingest HTTP/1.1",
    "GET /healthz HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "CONNECT x:80 HTTP/1.1",
    "PRI * HTTP/2.0",
    "",
]
# ``n`` is how long the body is; None is no such field at all.
LENGTHS = [
    None,
    "Content-Length: +{n}",
    "Content-Length: -{n}",
    "Content-Length: 000{n}",
    "Content-Length: {n}\xa0",
    "Content-Length: \xa0{n}",
    "Content-Length: {n}\x0b",
    "Content-Length: {n}\x85",
    "Content-Length:{n}",
    "Content-Length:\t {n} \t",
    "Content-Length : {n}",
    " Content-Length: {n}",
    "content-length: {n}",
    "CONTENT-LENGTH: {n}",
    "Content_Length: {n}",
    "Content-Length: {n}, {n}",
    "Content-Length: {n},{n}",
    "Content-Length: {n},3",
    "Content-Length: {n}\r\nContent-Length: {n}",
    "Content-Length: {n}\r\nContent-Length: 3",
    "Content-Length: 3\r\ncontent-length: {n}",
    "Content-Length: {n}\r\n 0",
    "Content-Length: 0x{n}",
    "Content-Length: {n}.0",
    "Content-Length: {n}e0",
    "Content-Length: {n}_0",
    "Content-Length: \xb2",
    "Content-Length: 0",
    "Content-Length: 1",
    "Content-Length: 100",
    "Content-Length: 5000",
    "Content-Length: 999999999999",
    "Content-Length: 99999999999999999999",
    "Content-Length: " + "9" * 5000,
    "Content-Length: " + "0" * 5000 + "{n}",
    "Content-Length:",
]
CODINGS = [
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked\xa0",
    "Transfer-Encoding: \xa0chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chu\r\n nked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "X: x\nTransfer-Encoding: chunked",
    "X: x\rTransfer-Encoding: chunked",
    "transfer-encoding: chunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding\x00: chunked",
    "Transfer-Encoding:",
]
OTHERS = [
    "Connection: close",
    "Connection: Close",
    "Connection: close\xa0",
    "Connection: keep-alive",
    "Connection: Keep-Alive",
    "Connection: keep-alive, close",
    "Connection: close\r\nConnection: keep-alive",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Connection:",
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "expect: nothing",
    "Upgrade: h2c",
    "TE: trailers",
    "Trailer: x",
    "Host: y",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Encoding: gzip",
    "Content-Encoding: GZIP\xa0",
    "Content-Encoding: br",
    "Content-Encoding: identity\r\nContent-Encoding: gzip",
    "Cookie: user=x",
    "Authorization: Bearer {second}",
    "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-Proto: https",
    "X-HTTP-Method-Override: PUT",
    "If-None-Match: *",
    "Range: bytes=0-1",
    "X: folded\r\n more",
    "X: folded\r\n\tmore",
    "X: one\rtwo",
    "X: one\ntwo: three",
    "X: \x00",
    "X: \x01",
    "X: \x7f",
    "X: caf\xe9",
    "X\xe9: x",
    "X y: x",
    "X : x",
    ": x",
    "X:",
    "X",
    "X: " + "x" * 30_000,
    "X: " + "x" * 66_000,
    "X:" + " " * 3000 + "\x01",
    "\r\nX: x",
    "\nX: x",
]
BEARERS = [
    None,
    "Authorization: Bearer {second}",
    "authorization: bearer {first}",
    "Authorization: Bearer  {first} ",
    "Authorization: Bearer\t{first}",
    "Authorization: Bearer {first}\xa0",
    "Authorization: Basic {first}",
    "Authorization: Bearer nobody",
    "Authorization: Bearer caf\xe9",
    "Authorization: Bearer",
    "Authorization:",
    "Authorization: Bearer {first}, Bearer {second}",
]
HOSTS = [
    None,
    "Host:",
    "Host: x:80",
    "Host: [::1]:5006",
    "Host: a,b",
    "Host: a b",
    "Host: a/b",
    "Host: \xe9",
    "host: X",
]

ENDS = [("\n", "\n\n"), ("\r\n", "\n\n"), ("\r\n", "\n\r\n"), ("\r\n", "\r\n\n"), ("\r", "\r\r"), ("\r\n", "\r\n")]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Give what a message holds, mostly one sample of some moment."""
    moment = f"2026-11-22T{draw(st.integers(0, 23)):02}:{draw(st.integers(0, 59)):02}:{draw(st.integers(0, 59)):02}Z"
    sample = a_wire_sample(collected_at=moment, payload={"host": {"load1": 0.5}})
    odd = [b"", b"{", b"\r\n\r\n", a_message(samples=[]), a_message({"tier": "none"}), FAREWELL, b" " * 5000]
    return draw(st.just(a_message(sample)) | st.just(a_message(sample)) | st.sampled_from(odd))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Give a request that is a plain message but for at most three parts of it, and sometimes some bytes."""
    odd = draw(st.sets(st.sampled_from(["line", "host", "bearer", "length", "coding", "others", "end"]), max_size=3))

    def part(name: str, values: list[str | None], plain: str) -> str | None:
        return draw(st.sampled_from(values)) if name in odd else plain

    body = draw(bodies())
    if draw(st.integers(0, 9)) == 0:
        body = gzip.compress(body, mtime=0)
    coding = draw(st.sampled_from(CODINGS)) if "coding" in odd else None
    length = part("length", LENGTHS, "Content-Length: {n}")
    if coding is not None and "length" not in odd and draw(st.booleans()):
        length = None
    size = str(len(body))
    fields = [
        part("host", HOSTS, "Host: x"),
        part("bearer", BEARERS, "Authorization: Bearer {first}"),
        length and length.replace("{n}", size),
        coding,
        *(draw(st.lists(st.sampled_from(OTHERS), min_size=1, max_size=2)) if "others" in odd else []),
    ]
    if odd:
        fields = draw(st.permutations(fields))
    line = part("line", [*LINES], PLAIN_LINE)
    eol, end = draw(st.sampled_from(ENDS)) if "end" in odd else ("\r\n", "\r\n\r\n")
    head = eol.join(field for field in (line, *fields) if field is not None) + end
    if coding is not None and draw(st.booleans()):
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return draw(damaged(head.encode("latin-1"))) + body


@st.composite
def damaged(draw: st.DrawFn, head: bytes) -> bytes:
    """Give a head in which, now and then, a byte is another, or missing, or there is one more."""
    if draw(st.integers(0, 7)):
        return head
    place, byte = draw(st.integers(0, min(len(head), 300))), draw(st.binary(max_size=1))
    return head[:place] + byte + head[place + draw(st.integers(0, 1)) :]
