"""Whatever an agent with a valid token sends: an answer below 500, nothing half stored, and the server goes on."""

from __future__ import annotations

import gzip
import json
import string
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.payload import Tier
from tests.builders import NOW, PAYLOADS, a_fast_payload, a_message, a_wire_sample, iso
from tests.servers import Server

EXPECTED = (200, 400, 413, 422)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["NaN", "\ud800", "\x00", "9" * 400, "ONLINE", "2026-11-22T20:00:00Z", "0000-00-00T00:00:00Z"]),
)
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    """Give the token of a host that is hostile."""
    return server.add_host("pve-evil")


def payload_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        inner = [one for key, child in value.items() for one in payload_paths(child, (*path, key))]
    elif isinstance(value, list):
        inner = [one for index, child in enumerate(value) for one in payload_paths(child, (*path, index))]
    return [path, *inner] if path else inner


@st.composite
def damaged_samples(draw: st.DrawFn) -> dict[str, Any]:
    """Give a sample whose payload is wrong in some places."""
    tier = draw(st.sampled_from(list(Tier)))
    payload = PAYLOADS[tier]()
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(payload_paths(payload)))
        place: Any = payload
        for key in above:
            place = place[key]
        place[last] = draw(VALUES)
    moment = draw(
        st.one_of(st.just(iso(NOW)), st.text(string.printable, max_size=30), st.just("2026-11-22T24:00:61+99:99"))
    )
    return {"tier": tier.value, "collected_at": moment, "payload": payload}


@given(
    samples=st.lists(damaged_samples(), min_size=1, max_size=3),
    head=st.dictionaries(
        st.sampled_from(["agent_version", "interval_s", "intervals_s", "sent_at", "samples"]), VALUES, max_size=2
    ),
)
def test_a_damaged_message_is_answered_in_one_sentence(
    server: Server, token: str, samples: list[dict[str, Any]], head: dict[str, Any]
) -> None:
    body = json.dumps({"samples": samples} | head).encode()
    answer = server.post(token, body)
    assert answer.status_code in EXPECTED, (answer.status_code, body)
    if answer.status_code != 200:
        assert set(answer.json()) == {"error"}
        assert "Traceback" not in answer.text


@given(body=st.binary(max_size=300), encoding=st.sampled_from(["", "gzip", "br", "deflate", "gzip, gzip", "identity"]))
def test_bytes_are_answered(server: Server, token: str, body: bytes, encoding: str) -> None:
    assert server.post(token, body, headers={"Content-Encoding": encoding}).status_code in EXPECTED


def sample_of(payload: bytes) -> bytes:
    return a_message(a_wire_sample(payload=None)).replace(b'"payload": null', b'"payload": ' + payload)


@pytest.mark.parametrize(
    "body",
    [
        sample_of(b'{"host": {"load1": NaN}}'),
        sample_of(b'{"host": {"load1": Infinity}}'),
        sample_of(b'{"host": {"load1": 1e999}}'),
        sample_of(b'{"host": {"mem_used_bytes": ' + b"9" * 5000 + b"}}"),
        sample_of(b'{"host": {"uptime_seconds": -1}}'),
        sample_of(b'{"zfs_pools": {"pools": [{"name": "\\ud800"}]}}'),
        sample_of(b'{"zfs_pools": {"pools": [{"name": "\xed\xa0\x80"}]}}'),
        sample_of(b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        sample_of(
            b'{"zfs_pools": {"pools": [{"name": "p", "vdevs": '
            + b'[{"name": "v", "children": ' * 5000
            + b"[]"
            + b"}]" * 5000
            + b"}]}}"
        ),
        b"[" * 1_000_000,
        b'{"samples": [' + b"{}," * 100_000 + b"{}]}",
    ],
    ids=[
        "NaN",
        "Infinity",
        "1e999",
        "5000 digits",
        "negative",
        "surrogate",
        "raw surrogate",
        "deep",
        "deep vdevs",
        "open brackets",
        "many samples",
    ],
)
def test_what_breaks_parsers_is_refused_or_harmless(server: Server, token: str, body: bytes) -> None:
    assert server.post(token, body).status_code in EXPECTED
    assert server.ask("GET", "/api/hosts").ok
    assert server.ask("GET", "/healthz").ok


def test_a_bomb_of_gzip_is_refused_before_it_is_large(server: Server, token: str) -> None:
    bomb = gzip.compress(b"0" * 200_000_000)
    assert server.post(token, bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    many = b"".join(gzip.compress(b"0" * 1_000_000) for _ in range(50))
    assert server.post(token, many, headers={"Content-Encoding": "gzip"}).status_code == 413
    packer = zlib.compressobj(wbits=31)
    endless = packer.compress(b"0" * 100) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert server.post(token, endless, headers={"Content-Encoding": "gzip"}).status_code == 400


def test_a_million_guests_do_not_stop_the_server(server: Server, token: str) -> None:
    guests = ",".join(f'{{"vmid":{number}}}' for number in range(1_000_000))
    body = sample_of(f'{{"vms_runtime":{{"vms":[{guests}]}}}}'.encode())
    packed = gzip.compress(body, compresslevel=1)
    assert server.post(token, packed, headers={"Content-Encoding": "gzip"}).status_code == 413
    guests = ",".join(f'{{"vmid":{number}}}' for number in range(200_000))
    body = sample_of(f'{{"vms_runtime":{{"vms":[{guests}]}}}}'.encode())
    assert server.post(token, body).status_code in (200, 413, 422)
    assert server.post(server.add_host("pve-next"), a_message()).status_code == 200
    assert server.ask("GET", "/api/hosts/pve-next").ok


def test_a_refused_message_leaves_nothing_of_it(server: Server) -> None:
    token = server.add_host("pve-half")
    good = a_wire_sample(collected_at=iso(NOW))
    bad = a_wire_sample(payload=a_fast_payload(host={"load1": "much"}))
    assert server.post(token, a_message(good, bad)).status_code == 422
    assert server.host("pve-half")["samples"] == {}
    assert server.post(token, a_message(good)).json() == {"stored": 1, "duplicates": 0}
