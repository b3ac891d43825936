"""Whatever an agent with a valid token sends: an answer below 500, nothing half stored, and the server goes on.

What is accepted is stored as the newest of its host, and everything that shows or counts it is asked afterwards.
"""

from __future__ import annotations

import gzip
import json
import signal
import string
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import proxmon
from proxmon.payload import Tier
from proxmon.rawjson import MAX_DEPTH, MAX_DIGITS
from tests.attackers.payloads import a_whole_payload
from tests.builders import NOW, PAYLOADS, a_fast_payload, a_message, a_wire_sample, iso
from tests.counts import Count
from tests.servers import Server

EXPECTED = (200, 400, 413, 422)
NAME = "pve-evil"
# Stands for a moment of its own when it is sent, so that no sample is a duplicate of the one before.
MOMENT = "the moment of sending"
MOST_GUESTS = 10_000
ODD_TEXTS = ["", "NaN", "\ud800", "\x00", "9" * 400, "ONLINE", "2026-11-22T20:00:00Z", "0000-00-00T00:00:00Z", "%s{}<&"]
ODD_NUMBERS = [0, -1, 2**63 - 1, 2**53 + 1, 9.2e18, 1e308, -1e308, 5e-324, -0.0, 4_102_444_800, 10**300, 10**400]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(ODD_TEXTS),
)
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ROUTES = (
    "/healthz",
    "/metrics",
    "/api/hosts",
    f"/api/hosts/{NAME}",
    "/api/guests?q=",
    "/api/alerts",
    "/api/events?limit=1000",
)
PAGES = ("/", f"/hosts/{NAME}", "/vms", "/alerts", "/events", "/admin/hosts")
VIEWS = (
    *("hosts", "host_events", "events", "samples", "section_errors", "alerts", "alert_events"),
    *("host_samples", "zpool_samples", "vdev_samples", "storage_samples", "guest_samples", "zpool_scrubs"),
    *("dataset_samples", "guest_addresses", "system_samples"),
)


@dataclass(frozen=True)
class Coding:
    """How a body is sent; what its name says need not be true."""

    name: str
    pack: Callable[[bytes], bytes] = bytes


PLAIN, PACKED = Coding(""), Coding("gzip", gzip.compress)


class Evil:
    """A hostile host of a server, and what that server says to everybody."""

    def __init__(self, server: Server) -> None:
        self.server, self.token, self.owner = server, server.add_host(NAME), server.log_in()
        self.stored, self.statuses = 0, Counter[int]()

    def send(self, body: bytes, name: str = NAME, token: str = "", coding: Coding = PLAIN) -> requests.Response:
        """Send a message; when it is accepted, all of its samples are stored, and the last one is the newest."""
        began_at, parts = datetime.now(UTC), body.split(MOMENT.encode())
        moments = [iso(began_at + timedelta(microseconds=number)) for number in range(len(parts))]
        whole = b"".join(part + moment.encode() for part, moment in zip(parts, [*moments[1:], ""], strict=True))
        headers = {"Content-Encoding": coding.name}
        answer = self.server.post(token or self.token, coding.pack(whole), headers=headers)
        self.statuses[answer.status_code] += 1
        assert answer.status_code in EXPECTED, (answer.status_code, whole[:10_000])
        if answer.ok:
            count = len(parts) - 1
            assert answer.json() == {"stored": count, "duplicates": 0}
            shown = [one["collected_at"] for one in self.server.host(name)["samples"].values()]
            assert not count or moments[-1] in shown
            self.stored += count if name == NAME else 0
        return answer

    def assert_routes_answer(self) -> None:
        """Ask for what is made of the newest samples."""
        since = time.time() - 600
        charts = f"values.json?since={since}&until={since + 660}&show=host:60,zpool:60,storage:60,guest:60"
        for path in (*ROUTES, f"/hosts/{NAME}/{charts}"):
            answer = self.server.ask("GET", path)
            assert answer.ok, (path, answer.text)
        self.assert_no_error_was_logged()

    def assert_pages_answer(self) -> None:
        """Open the pages."""
        for path in PAGES:
            answer = self.owner.get(self.server.url + path, allow_redirects=False, timeout=60)
            assert answer.status_code == 200, path
        self.assert_no_error_was_logged()

    def assert_tables_answer(self) -> None:
        """Read all tables, as an analyst does."""
        fleet = proxmon.connect(self.server.url, token=self.server.control.token)
        for view in VIEWS:
            fleet.sql(f"FROM {view} WHERE host = ?", [NAME], as_="arrow")
        assert NAME in set(fleet.hosts()["host"])
        assert fleet.host(NAME).name == NAME
        counted = fleet.sql("SELECT count(*) AS stored FROM samples WHERE host = ?", [NAME], as_="arrow")
        assert counted.to_pylist() == [{"stored": self.stored}]
        self.assert_no_error_was_logged()

    def assert_all_answers(self) -> None:
        """Ask for everything."""
        self.assert_routes_answer()
        self.assert_pages_answer()
        self.assert_tables_answer()

    def crash(self) -> None:
        """End the server without a warning and start it again, which reads what it had stored."""
        self.server.stop(signal.SIGKILL)
        self.server.start()

    def assert_no_error_was_logged(self) -> None:
        """Read the log; what waits in the journal could not be brought into the tables."""
        log = self.server.log()
        found = [word for word in ("Traceback", " ERROR ", " CRITICAL ", "wait in the journal") if word in log]
        assert not found, log[-20_000:]


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evil]:
    """Give a host that is hostile, of a server whose log is its own."""
    running = Server(tmp_path_factory.mktemp("evil") / "data").start()
    yield Evil(running)
    running.stop()


@pytest.fixture(autouse=True)
def tell(evil: Evil, count: Count) -> Iterator[None]:
    """Count how the messages of a test were answered."""
    before = evil.statuses.copy()
    yield
    new = evil.statuses - before
    failed = sum(number for status, number in new.items() if status >= 500)
    count("hostile messages of an agent", messages=new.total(), accepted=new[200], answered_500_or_above=failed)


def payload_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        inner = [one for key, child in value.items() for one in payload_paths(child, (*path, key))]
    elif isinstance(value, list):
        inner = [one for index, child in enumerate(value) for one in payload_paths(child, (*path, index))]
    return [path, *inner] if path else inner


def alike(value: Any) -> st.SearchStrategy[Any]:
    """Give what is odd and yet of the same type, so that much of it is accepted."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int | float):
        return st.sampled_from(ODD_NUMBERS)
    if isinstance(value, str):
        return st.text(max_size=20) | st.sampled_from(ODD_TEXTS)
    if isinstance(value, list):
        return st.sampled_from([[], value * 2, value * 50])
    return st.builds(lambda odd: value | {"unknown": odd}, VALUES) if isinstance(value, dict) else st.none()


@st.composite
def damaged_samples(draw: st.DrawFn) -> dict[str, Any]:
    """Give a sample whose payload is wrong in some places."""
    tier = draw(st.sampled_from(list(Tier)))
    payload = PAYLOADS[tier]() if draw(st.booleans()) else a_whole_payload(tier)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(payload_paths(payload)))
        place: Any = payload
        for key in above:
            place = place[key]
        place[last] = draw(st.one_of(alike(place[last]), alike(place[last]), st.none(), VALUES))
    wrong = st.text(string.printable, max_size=30) | st.just("2026-11-22T24:00:61+99:99")
    moment = draw(wrong if draw(st.integers(0, 9)) == 9 else st.just(MOMENT))
    return {"tier": tier.value, "collected_at": moment, "payload": payload}


def test_a_damaged_message_is_answered_in_one_sentence_or_stored(evil: Evil) -> None:
    before = evil.stored

    @given(
        samples=st.lists(damaged_samples(), min_size=1, max_size=3),
        head=st.dictionaries(
            st.sampled_from(["agent_version", "interval_s", "intervals_s", "sent_at", "samples"]), VALUES, max_size=1
        ),
    )
    def send(samples: list[dict[str, Any]], head: dict[str, Any]) -> None:
        answer = evil.send(json.dumps({"samples": samples} | head).encode())
        if answer.ok:
            evil.assert_routes_answer()
        else:
            assert set(answer.json()) == {"error"}
            assert "Traceback" not in answer.text

    send()
    assert evil.stored - before > 10
    evil.crash()
    evil.assert_all_answers()


@given(body=st.binary(max_size=300), encoding=st.sampled_from(["", "gzip", "br", "deflate", "gzip, gzip", "identity"]))
def test_bytes_are_answered(evil: Evil, body: bytes, encoding: str) -> None:
    evil.send(body, coding=Coding(encoding))


def sample_of(payload: bytes) -> bytes:
    sample = a_wire_sample(collected_at=MOMENT, payload=None)
    return a_message(sample).replace(b'"payload": null', b'"payload": ' + payload)


DEEP_VDEVS = b'[{"name": "v", "children": ' * 5000 + b"[]" + b"}]" * 5000
LONG = b"x" * 4_000_000
BREAKERS = {
    "NaN": (400, sample_of(b'{"host": {"load1": NaN}}')),
    "Infinity": (400, sample_of(b'{"host": {"load1": Infinity}}')),
    "1e999": (422, sample_of(b'{"host": {"load1": 1e999}}')),
    "1e999 of the agent's own": (200, sample_of(b'{"agent": {"peak_rss_bytes": 1e999}}')),
    "5000 digits": (422, sample_of(b'{"host": {"mem_used_bytes": ' + b"9" * 5000 + b"}}")),
    "as many digits as a float has": (200, sample_of(b'{"agent": {"peak_rss_bytes": ' + b"9" * MAX_DIGITS + b"}}")),
    "one more": (400, sample_of(b'{"agent": {"peak_rss_bytes": ' + b"9" * (MAX_DIGITS + 1) + b"}}")),
    "5000 digits in an unknown section": (400, sample_of(b'{"x": 1e999, "y": -' + b"9" * 5000 + b"}")),
    "the largest loads": (200, sample_of(b'{"host": {"load1": -1e308, "load5": 1e308, "cpu_percent": 5e-324}}')),
    "negative": (422, sample_of(b'{"host": {"uptime_seconds": -1}}')),
    "surrogate": (400, sample_of(b'{"zfs_pools": {"pools": [{"name": "\\ud800"}]}}')),
    "raw surrogate": (400, sample_of(b'{"zfs_pools": {"pools": [{"name": "\xed\xa0\x80"}]}}')),
    "surrogate in an unknown section": (400, sample_of(b'{"x": {"\\ud800": "\\udfff"}}')),
    "surrogate in an unknown error": (400, sample_of(b'{"x": {"error": "\\ud800"}}')),
    "NUL and much in an unknown error": (200, sample_of(b'{"x": {"error": "\\u0000 of ' + b"x" * 100_000 + b'"}}')),
    "a name of megabytes": (422, sample_of(b'{"zfs_pools": {"pools": [{"name": "' + LONG + b'"}]}}')),
    "a state of megabytes": (422, sample_of(b'{"storage": {"storages": [{"name": "s", "type": "' + LONG + b'"}]}}')),
    "much in a known error": (200, sample_of(b'{"zfs_pools": {"error": "' + LONG + b'"}}')),
    "a section twice": (200, sample_of(b'{"host": {"load1": 1}, "host": {"load1": 1e308}}')),
    "deep": (400, sample_of(b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "deep vdevs": (400, sample_of(b'{"zfs_pools": {"pools": [{"name": "p", "vdevs": ' + DEEP_VDEVS + b"}]}}")),
    "open brackets": (400, b"[" * 1_000_000),
    "many samples": (422, b'{"samples": [' + b"{}," * 100_000 + b"{}]}"),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_what_breaks_parsers_is_refused_or_harmless(evil: Evil, name: str) -> None:
    status, body = BREAKERS[name]
    assert evil.send(body).status_code == status
    evil.assert_all_answers()


def test_a_bomb_of_gzip_is_refused_before_it_is_large(evil: Evil) -> None:
    server, token = evil.server, evil.token
    bomb = gzip.compress(b"0" * 200_000_000)
    assert server.post(token, bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    many = b"".join(gzip.compress(b"0" * 1_000_000) for _ in range(50))
    assert server.post(token, many, headers={"Content-Encoding": "gzip"}).status_code == 413
    packer = zlib.compressobj(wbits=31)
    endless = packer.compress(b"0" * 100) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert server.post(token, endless, headers={"Content-Encoding": "gzip"}).status_code == 400


def test_whatever_depth_is_accepted_can_be_read_again_after_a_crash(evil: Evil) -> None:
    for levels in (900, 970, 980, 990, MAX_DEPTH + 1, MAX_DEPTH):
        body = sample_of(b'{"x": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}")
        for coding in (PLAIN, PACKED):  # which is read in another thread
            assert evil.send(body, coding=coding).status_code == (200 if levels <= MAX_DEPTH else 400)
    evil.crash()
    evil.assert_all_answers()


def a_guest_list(count: int) -> bytes:
    guests = ",".join(f'{{"vmid":{number}}}' for number in range(count))
    return sample_of(f'{{"vms_runtime":{{"vms":[{guests}]}}}}'.encode())


def test_a_million_guests_do_not_stop_the_server(evil: Evil) -> None:
    assert evil.send(a_guest_list(1_000_000), coding=PACKED).status_code == 413
    assert evil.send(a_guest_list(200_000)).status_code == 422
    crowded = evil.server.add_host("pve-crowded")
    assert evil.send(a_guest_list(MOST_GUESTS), "pve-crowded", crowded).status_code == 200
    assert evil.send(sample_of(b"{}"), "pve-next", evil.server.add_host("pve-next")).status_code == 200
    assert len(evil.server.ask("GET", "/api/guests?q=").json()["guests"]) >= MOST_GUESTS
    evil.assert_all_answers()
    assert evil.server.ask("DELETE", "/api/hosts/pve-crowded").status_code == 204


def test_a_refused_message_leaves_nothing_of_it(evil: Evil) -> None:
    server, token = evil.server, evil.server.add_host("pve-half")
    good = a_wire_sample(collected_at=iso(NOW))
    bad = a_wire_sample(payload=a_fast_payload(host={"load1": "much"}))
    assert server.post(token, a_message(good, bad)).status_code == 422
    assert server.host("pve-half")["samples"] == {}
    assert server.post(token, a_message(good)).json() == {"stored": 1, "duplicates": 0}
