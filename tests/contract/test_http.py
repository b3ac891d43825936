"""The HTTP contract, through `proxmon serve` and through `panel serve app.py`."""

from __future__ import annotations

import gzip
import http.client
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import a_fast_payload, a_guest, a_medium_payload, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server


def now() -> str:
    return iso(datetime.now(UTC))


def a_live_message(**payload: Any) -> bytes:
    return a_message(a_wire_sample(collected_at=now(), payload=a_fast_payload(**payload)))


def unique(stem: str = "pve") -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def host(each_server: Server) -> tuple[str, str]:
    """Give name and token of a new host."""
    name = unique()
    return name, each_server.add_host(name)


class HalfSent:
    """A request whose sender was let in and whose body is still to come."""

    def __init__(self, server: Server, path: str, token: str, body: bytes) -> None:
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        self._path, self._token, self._body = path, token, body

    def __enter__(self) -> HalfSent:
        self._connection.putrequest("POST", self._path)
        self._connection.putheader("Authorization", f"Bearer {self._token}")
        self._connection.putheader("Content-Length", str(len(self._body)))
        self._connection.putheader("Expect", "100-continue")
        self._connection.endheaders()
        # The server says it once it knows the sender.
        assert self._connection.sock.recv(1000).startswith(b"HTTP/1.1 100")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def finish(self) -> int:
        self._connection.send(self._body)
        return self._connection.getresponse().status


def error_of(answer: requests.Response) -> str:
    assert answer.headers["Content-Type"].startswith("application/json")
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"].endswith(".")
    return body["error"]


# ingest


def test_a_stored_sample_is_seen_at_once(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    answer = each_server.post(token, a_live_message())
    assert (answer.status_code, answer.json()) == (200, {"stored": 1, "duplicates": 0})
    seen = each_server.host(name)
    assert seen["status"] == "ok"
    assert seen["samples"]["fast"]["payload"] == a_fast_payload()
    assert {one["rule"] for one in seen["findings"]} >= {"offline", "zpool_health", "clock_offset"}


def test_the_same_sample_twice_is_stored_once(each_server: Server, host: tuple[str, str]) -> None:
    _, token = host
    message = a_live_message()
    assert each_server.post(token, message).json() == {"stored": 1, "duplicates": 0}
    assert each_server.post(token, message).json() == {"stored": 0, "duplicates": 1}


def test_a_duplicate_with_another_payload_changes_neither_store_nor_fleet(
    each_server: Server, host: tuple[str, str]
) -> None:
    name, token = host
    moment = now()
    healthy = a_wire_sample(collected_at=moment)
    changed = a_wire_sample(
        collected_at=moment, payload=a_fast_payload(zfs_pools={"pools": [a_pool(health="FAULTED")]})
    )
    assert each_server.post(token, a_message(healthy)).json()["stored"] == 1
    seen_at = each_server.host(name)["last_seen_at"]
    assert each_server.post(token, a_message(changed)).json() == {"stored": 0, "duplicates": 1}
    after = each_server.host(name)
    assert after["samples"]["fast"]["payload"] == healthy["payload"]
    assert after["status"] == "ok"
    assert after["last_seen_at"] > seen_at


def test_of_two_samples_of_one_moment_in_a_message_the_first_counts(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    first, second = (a_wire_sample(collected_at="2026-11-22T20:00:00Z", payload={"host": {"load1": n}}) for n in (1, 2))
    assert each_server.post(token, a_message(first, second)).json() == {"stored": 1, "duplicates": 1}
    assert each_server.host(name)["samples"]["fast"]["payload"]["host"]["load1"] == 1


def test_a_message_without_samples_brings_nobody_online(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    empty = a_message(samples=[])
    assert each_server.post(token, empty).json() == {"stored": 0, "duplicates": 0}
    assert each_server.host(name)["status"] == "offline"
    assert each_server.host(name)["last_seen_at"] is None
    assert each_server.post("wrong", empty).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("POST", "/rotate"), ("DELETE", "")])
@pytest.mark.parametrize("route", ["/api/ingest", "/api/goodbye"])
def test_a_request_on_its_way_is_refused_once_its_token_is_not_valid_any_more(
    each_server: Server, host: tuple[str, str], route: str, method: str, path: str
) -> None:
    name, token = host
    first = a_wire_sample(collected_at=now())
    assert each_server.post(token, a_message(first)).ok
    body = a_live_message() if route.endswith("ingest") else b"{}"
    with HalfSent(each_server, route, token, body) as request:
        assert each_server.ask(method, f"/api/hosts/{name}{path}").ok
        assert request.finish() == 401
    if method == "DELETE":
        each_server.add_host(name)
        assert each_server.host(name)["samples"] == {}
    else:
        assert each_server.host(name)["samples"]["fast"]["collected_at"] == first["collected_at"]
    assert each_server.host(name)["status"] == "offline"


def test_a_gzipped_message_is_read(each_server: Server, host: tuple[str, str]) -> None:
    _, token = host
    answer = each_server.post(token, gzip.compress(a_live_message()), headers={"Content-Encoding": "gzip"})
    assert answer.json() == {"stored": 1, "duplicates": 0}


def test_unknown_keys_are_kept(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    assert each_server.post(token, a_live_message(weather={"sun": [1, None]})).ok
    assert each_server.host(name)["samples"]["fast"]["payload"]["weather"] == {"sun": [1, None]}


def with_payload(payload: str) -> bytes:
    return f'{{"samples": [{{"tier": "fast", "collected_at": "{now()}", "payload": {payload}}}]}}'.encode()


def with_guests(count: int) -> str:
    return f'{{"vms_runtime": {{"vms": [{",".join(["{}"] * count)}]}}}}'.replace("{}", '{"vmid":1}')


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ('{"host": {"load1": NaN}}', 400),
        ('{"host": {"load1": 1e999}}', 422),
        ('{"x": "\\ud800"}', 400),
        ('{"x": ' + "[" * 20_000 + "]" * 20_000 + "}", 400),
        ('{"vms_runtime": {"vms": [{"vmid": 1' + "0" * 5_000 + "}]}}", 422),
        (with_guests(1_000_000), 413),
        (with_guests(500_000), 422),
    ],
    ids=["NaN", "infinite", "surrogate", "deep", "huge number", "a million guests", "half a million guests"],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_what_is_beyond_all_bounds_is_refused_and_nothing_of_it_is_stored(
    each_server: Server, host: tuple[str, str], payload: str, status: int, is_packed: bool
) -> None:
    name, token = host
    body, headers = with_payload(payload), {}
    if is_packed:
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    answer = each_server.post(token, body, headers=headers)
    assert answer.status_code == status
    assert len(error_of(answer)) < 300
    assert each_server.host(name)["samples"] == {}
    assert each_server.host(name)["status"] == "offline"


def test_what_is_kept_of_unknown_keys_can_be_shown(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    odd = '{"x": 1e999, "deep": ' + "[" * 200 + "]" * 200 + ', "smart": {"error": "<b>no smartctl</b>"}}'
    assert each_server.post(token, with_payload(odd)).json() == {"stored": 1, "duplicates": 0}
    collection = next(one for one in each_server.host(name)["findings"] if one["rule"] == "collection")
    assert (collection["verdict"], collection["message"]) == ("warning", "smart: <b>no smartctl</b>")
    assert each_server.log_in().get(f"{each_server.url}/hosts/{name}", timeout=30).ok


def test_two_hosts_whose_nodes_are_both_called_pve_do_not_mix(each_server: Server) -> None:
    runtime = {"vms": [a_guest(vmid=100, name=unique("twin"))]}
    stem = runtime["vms"][0]["name"]
    names = [unique(), unique()]
    for number, name in enumerate(names):
        token = each_server.add_host(name)
        details = {"vms": [{"vmid": 100, "type": "qemu", "ips": [f"192.0.2.{number}"]}]}
        fast = a_wire_sample(collected_at=now(), payload=a_fast_payload(vms_runtime=runtime))
        medium = a_wire_sample("medium", collected_at=now(), payload=a_medium_payload(vms_detail=details))
        slow = a_wire_sample("slow", collected_at=now(), payload={"system_info": {"node": "pve", "cluster": "lab"}})
        assert each_server.post(token, a_message(fast, medium, slow)).ok
    rows = each_server.ask("GET", "/api/guests", params={"q": stem}).json()["guests"]
    assert sorted((row["host"], row["ips"][0]) for row in rows) == sorted(
        (name, f"192.0.2.{number}") for number, name in enumerate(names)
    )
    each_server.ask("DELETE", f"/api/hosts/{names[0]}")
    rows = each_server.ask("GET", "/api/guests", params={"q": stem}).json()["guests"]
    assert [row["host"] for row in rows] == [names[1]]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"samples": NaN}', b"[" * 100_000])
def test_what_cannot_be_read_is_400(each_server: Server, host: tuple[str, str], body: bytes) -> None:
    answer = each_server.post(host[1], body)
    assert answer.status_code == 400
    error_of(answer)


def test_a_broken_gzip_stream_is_400(each_server: Server, host: tuple[str, str]) -> None:
    broken = gzip.compress(a_live_message())[:-20]
    assert each_server.post(host[1], broken, headers={"Content-Encoding": "gzip"}).status_code == 400
    assert each_server.post(host[1], b"{}", headers={"Content-Encoding": "gzip"}).status_code == 400
    assert each_server.post(host[1], b"{}", headers={"Content-Encoding": "br"}).status_code == 400


@pytest.mark.parametrize(
    ("sample", "named"),
    [
        ({"tier": "hourly"}, "samples[1].tier"),
        ({"collected_at": "yesterday"}, "samples[1].collected_at"),
        ({"collected_at": "1832-01-01T00:00:00Z"}, "samples[1].collected_at"),
        ({"payload": {"host": {"load1": "high"}}}, "host.load1"),
        ({"payload": {"zfs_pools": {"pools": [{"health": "ONLINE"}]}}}, "zfs_pools.pools[0]"),
        ({"payload": {"vms_runtime": {"vms": [{"vmid": 10**30}]}}}, "vms_runtime.vms[0].vmid"),
        ({"payload": [1]}, "samples[1].payload"),
    ],
)
def test_a_wrong_field_is_422_and_named_and_nothing_is_stored(
    each_server: Server, host: tuple[str, str], sample: dict[str, Any], named: str
) -> None:
    name, token = host
    bad = a_wire_sample(collected_at=now()) | sample
    answer = each_server.post(token, a_message(a_wire_sample(collected_at=now()), bad))
    assert answer.status_code == 422
    assert named in error_of(answer)
    assert each_server.host(name)["samples"] == {}


def test_too_much_is_413_packed_or_not(each_server: Server, host: tuple[str, str]) -> None:
    large = a_live_message(filler="x" * (8 * 1024 * 1024))
    assert each_server.post(host[1], large).status_code == 413
    packed = each_server.post(host[1], gzip.compress(large), headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 413
    assert "8388608" in error_of(packed)


@pytest.mark.parametrize("token", ["", "wrong", "x" * 43, "tökèn"])
def test_without_the_hosts_token_it_is_401(each_server: Server, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
    for path in ("/api/ingest", "/api/goodbye"):
        answer = requests.post(each_server.url + path, data=a_live_message(), headers=headers, timeout=30)
        assert answer.status_code == 401
        assert "token" in error_of(answer)


def test_an_api_token_is_no_hosts_token(each_server: Server) -> None:
    assert each_server.post(each_server.control.token, a_live_message()).status_code == 401


def test_a_hosts_token_opens_nothing_else(each_server: Server, host: tuple[str, str]) -> None:
    assert each_server.ask("GET", "/api/hosts", host[1]).status_code == 401


def test_goodbye_makes_the_host_offline_at_once_and_a_sample_brings_it_back(
    each_server: Server, host: tuple[str, str]
) -> None:
    name, token = host
    each_server.post(token, a_live_message())
    assert each_server.ask("POST", "/api/goodbye", token).status_code == 204
    assert each_server.host(name)["status"] == "offline"
    assert each_server.post(token, a_live_message()).ok
    assert each_server.host(name)["status"] == "ok"


def test_an_hour_old_sample_never_looks_like_a_live_one(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    an_hour_ago = iso(datetime.now(UTC) - timedelta(hours=1))
    assert each_server.post(token, a_message(a_wire_sample(collected_at=an_hour_ago), sent_at=now())).ok
    verdicts = {one["rule"]: one["verdict"] for one in each_server.host(name)["findings"]}
    assert verdicts["zpool_health"] == "unknown"
    assert verdicts["clock_offset"] == "ok"


def test_a_late_sample_does_not_replace_a_newer_one(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    each_server.post(token, a_live_message())
    earlier = a_wire_sample(collected_at=iso(datetime.now(UTC) - timedelta(minutes=10)))
    earlier["payload"] = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    assert each_server.post(token, a_message(earlier)).json()["stored"] == 1
    assert each_server.host(name)["status"] != "critical"


# hosts


def test_a_host_is_added_once_listed_rotated_and_deleted(each_server: Server) -> None:
    name = unique()
    token = each_server.add_host(name)
    assert len(token) == 43
    taken = each_server.ask("POST", "/api/hosts", json={"name": name})
    assert taken.status_code == 409
    error_of(taken)
    assert name in [one["name"] for one in each_server.ask("GET", "/api/hosts").json()["hosts"]]

    rotated = each_server.ask("POST", f"/api/hosts/{name}/rotate")
    assert rotated.status_code == 200
    assert set(rotated.json()) == {"name", "token"}
    assert each_server.post(token, a_live_message()).status_code == 401
    assert each_server.post(rotated.json()["token"], a_live_message()).status_code == 200

    assert each_server.ask("DELETE", f"/api/hosts/{name}").status_code == 204
    assert each_server.ask("GET", f"/api/hosts/{name}").status_code == 404
    assert each_server.post(rotated.json()["token"], a_live_message()).status_code == 401


def test_rotating_makes_the_host_offline_until_the_new_token_is_used(
    each_server: Server, host: tuple[str, str]
) -> None:
    name, token = host
    each_server.post(token, a_live_message())
    fresh = each_server.ask("POST", f"/api/hosts/{name}/rotate").json()["token"]
    assert each_server.host(name)["status"] == "offline"
    each_server.post(fresh, a_live_message())
    assert each_server.host(name)["status"] == "ok"


@pytest.mark.parametrize("name", ["", " ", "a b", "<img src=x onerror=alert(1)>", "x" * 64, "ä", "a/b", ".", "..", 7])
def test_a_bad_name_is_422(each_server: Server, name: Any) -> None:
    answer = each_server.ask("POST", "/api/hosts", json={"name": name})
    assert answer.status_code == 422
    error_of(answer)


@pytest.mark.parametrize("name", ["a", "x" * 63, "A.b-c_9", "-"])
def test_a_good_name_is_taken_and_free_again_after_deletion(each_server: Server, name: str) -> None:
    each_server.add_host(name)
    assert each_server.ask("DELETE", f"/api/hosts/{name}").status_code == 204


@pytest.mark.parametrize("keep", ["true", "false"])
def test_a_new_host_of_an_old_name_starts_without_its_past(each_server: Server, keep: str) -> None:
    name = unique()
    each_server.post(each_server.add_host(name), a_live_message())
    old = each_server.host(name)["id"]
    assert each_server.ask("DELETE", f"/api/hosts/{name}?keep_history={keep}").status_code == 204
    each_server.add_host(name)
    again = each_server.host(name)
    assert again["id"] != old
    assert again["samples"] == {}


@pytest.mark.parametrize("method", ["rotate", "delete", "get"])
def test_an_unknown_host_is_404(each_server: Server, method: str) -> None:
    verb, path = {"rotate": ("POST", "/rotate"), "delete": ("DELETE", ""), "get": ("GET", "")}[method]
    answer = each_server.ask(verb, f"/api/hosts/nobody{path}")
    assert answer.status_code == 404
    error_of(answer)


def test_a_past_moment_is_answered_as_it_was(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    bad = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    then = datetime.now(UTC)
    each_server.post(token, a_message(a_wire_sample(collected_at=iso(then), payload=bad), sent_at=iso(then)))
    moment = iso(datetime.now(UTC))
    each_server.post(token, a_live_message())
    assert each_server.host(name)["status"] == "ok"
    answer = each_server.ask("GET", f"/api/hosts/{name}", params={"at": moment}).json()
    assert answer["status"] == "critical"
    listed = each_server.ask("GET", "/api/hosts", params={"at": moment}).json()
    assert listed["at"] == moment
    assert {one["name"]: one["status"] for one in listed["hosts"]}[name] == "critical"


@pytest.mark.parametrize("path", ["/api/hosts", "/api/guests", "/api/alerts", "/api/events"])
def test_a_moment_that_is_none_or_has_not_come_yet_is_422(each_server: Server, path: str) -> None:
    assert each_server.ask("GET", path, params={"at": "noon"}).status_code == 422
    to_come = each_server.ask("GET", path, params={"at": iso(datetime.now(UTC) + timedelta(hours=1))})
    assert to_come.status_code == 422
    assert "has not come yet" in error_of(to_come)


# guests


def test_guests_are_found_by_name_vmid_and_part_of_an_ip(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    runtime = {"vms": [a_guest(vmid=4711, name="Mail-Relay", type="lxc")]}
    addresses = {"vms": [{"vmid": 4711, "type": "lxc", "ips": ["192.0.2.77", "2001:db8::77"]}]}
    fast = a_wire_sample(collected_at=now(), payload=a_fast_payload(vms_runtime=runtime))
    medium = a_wire_sample("medium", collected_at=now(), payload=a_medium_payload(vms_detail=addresses))
    assert each_server.post(token, a_message(fast, medium)).ok
    for query in ("mail-r", "4711", "0.2.7", "DB8::7"):
        rows = each_server.ask("GET", "/api/guests", params={"q": query}).json()["guests"]
        row = next(row for row in rows if row["host"] == name)
        assert (row["vmid"], row["type"], row["run_state"]) == (4711, "lxc", "running")
        assert row["ips"] == ["192.0.2.77", "2001:db8::77"]
    assert each_server.ask("GET", "/api/guests", params={"q": "no such guest"}).json()["guests"] == []


# tokens and who may what


def test_a_reader_sees_and_an_admin_changes(each_server: Server) -> None:
    names = {role: unique(role) for role in ("reader", "admin")}
    tokens = {
        role: each_server.ask("POST", "/api/tokens", json={"name": name, "role": role}).json()["token"]
        for role, name in names.items()
    }
    assert each_server.ask("GET", "/api/hosts", tokens["reader"]).status_code == 200
    refused = each_server.ask("POST", "/api/hosts", tokens["reader"], json={"name": unique()})
    assert refused.status_code == 403
    error_of(refused)
    assert each_server.ask("POST", "/api/hosts", tokens["admin"], json={"name": unique()}).status_code == 201
    assert each_server.ask("DELETE", f"/api/tokens/{names['reader']}").status_code == 204
    assert each_server.ask("GET", "/api/hosts", tokens["reader"]).status_code == 401


def test_metrics_tell_status_findings_and_values(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    each_server.post(token, a_live_message(zfs_pools={"pools": [a_pool(name="tank", health="DEGRADED")]}))
    answer = each_server.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {one.name: one.samples for one in text_string_to_metric_families(answer.text)}

    def value(family: str, **labels: str) -> float:
        return next(one.value for one in families[family] if labels.items() <= one.labels.items())

    assert value("proxmon_host_status", host=name, status="critical") == 1
    assert value("proxmon_finding", host=name, rule="zpool_health", verdict="critical") == 1
    assert value("proxmon_zpool_online", host=name, zpool="tank") == 0
    assert value("proxmon_host_memory_total_bytes", host=name) == 32 * 2**30
    assert value("proxmon_samples", outcome="stored") >= 1


READING = [
    ("GET", "/metrics"),
    ("GET", "/api/hosts"),
    ("GET", "/api/hosts/x"),
    ("GET", "/api/guests"),
    ("GET", "/api/tokens"),
]
CHANGING = [
    ("POST", "/api/hosts"),
    ("POST", "/api/hosts/x/rotate"),
    ("DELETE", "/api/hosts/x"),
    ("POST", "/api/tokens"),
    ("DELETE", "/api/tokens/x"),
]


@pytest.mark.parametrize(("method", "path"), READING + CHANGING)
def test_mallory_gets_401(each_server: Server, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "user=owner"}):
        answer = requests.request(method, each_server.url + path, headers=headers, timeout=30)
        assert answer.status_code == 401
        error_of(answer)


@pytest.mark.parametrize(("method", "path"), CHANGING[:3])
def test_a_cookie_changes_something_only_from_our_own_pages(each_server: Server, method: str, path: str) -> None:
    session = each_server.log_in()
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = session.request(method, each_server.url + path, headers=headers, data="{}", timeout=30)
        assert answer.status_code == 403
    own = session.request(method, each_server.url + path, headers={"Origin": each_server.url}, data="{}", timeout=30)
    assert own.status_code in (404, 422)


# the rest


def test_health_needs_no_login(each_server: Server) -> None:
    answer = requests.get(f"{each_server.url}/healthz", timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nothing", 404), ("GET", "/api/ingest", 405), ("PUT", "/api/hosts", 405)],
)
def test_what_is_not_there_is_answered_like_every_error(
    each_server: Server, method: str, path: str, status: int
) -> None:
    answer = each_server.ask(method, path)
    assert answer.status_code == status
    error_of(answer)


def test_the_agent_can_be_downloaded_and_its_digest_fits(each_server: Server) -> None:
    import hashlib

    program = requests.get(f"{each_server.url}/agent/proxmon-agent.pyz", timeout=30)
    digest = requests.get(f"{each_server.url}/agent/proxmon-agent.pyz.sha256", timeout=30)
    assert digest.text.split()[0] == hashlib.sha256(program.content).hexdigest()
    script = requests.get(f"{each_server.url}/agent/install.sh", timeout=30)
    assert each_server.url in script.text


def test_secrets_are_in_no_answer_and_no_log(each_server: Server, host: tuple[str, str]) -> None:
    name, token = host
    each_server.post(token, b"{")
    each_server.post(token, a_live_message())
    assert token not in json.dumps(each_server.host(name))
    assert token not in each_server.log()
    assert each_server.password not in each_server.log()


@pytest.mark.parametrize("host", ["$(reboot)", 'x"; reboot; "', "a b", "x`id`"])
def test_a_host_header_cannot_put_commands_into_the_install_script(each_server: Server, host: str) -> None:
    answer = requests.get(f"{each_server.url}/agent/install.sh", headers={"Host": host}, timeout=30)
    assert answer.status_code == 400
    assert "reboot" not in answer.text
