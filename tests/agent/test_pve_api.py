"""Addresses that guest agents report, through Proxmox's own API: asked seldom, and never insisted on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypervisor import Hypervisor

from proxmon.agent.guest_details import GuestDetails
from proxmon.agent.guests import GuestsAndStorages
from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs
from proxmon.agent.pve import GuestConfigs
from proxmon.agent.pve_api import GuestAgentApi, parse_interfaces

INTERFACES = {
    "result": [
        {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}]},
        {"name": "eth0", "ip-addresses": [{"ip-address": "203.0.113.7"}, {"ip-address": "fe80::1"}]},
        {"name": "eth1"},
    ]
}


class Api:
    """A stand-in for the node's API."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.reply: tuple[int, Any] = (200, {"data": INTERFACES})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers["Authorization"]))
                status, body = outer.reply
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.http.shutdown()
    api.http.server_close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def details(hypervisor: Hypervisor, api: Api, clock: Clock) -> GuestDetails:
    machine = Machine(str(hypervisor.root), Programs(hypervisor.path), monotonic=clock)
    configs = GuestConfigs(machine)
    agents = GuestAgentApi(machine, api.url, "monitor@pve!agent=secret", "/etc/pve/pve-root-ca.pem")
    return GuestDetails(machine, configs, GuestsAndStorages(machine, configs), agents)


def test_running_guests_with_an_agent_are_asked_once_each(hypervisor: Hypervisor, api: Api) -> None:
    section = details(hypervisor, api, Clock()).collect()
    rows = {row["vmid"]: row for row in section["vms"]}
    assert (rows[100]["ips"], rows[100]["ips_source"]) == (["203.0.113.7"], "guest-agent")
    assert "ips" not in rows[103], "it is stopped"
    path = "/api2/json/nodes/pve-lab/qemu/{}/agent/network-get-interfaces"
    assert [request[0] for request in api.requests] == [path.format(vmid) for vmid in (100, 101, 104)]
    assert api.requests[0][1] == "PVEAPIToken=monitor@pve!agent=secret"


def test_a_silent_agent_is_left_alone_for_half_an_hour(hypervisor: Hypervisor, api: Api) -> None:
    clock = Clock()
    collector = details(hypervisor, api, clock)
    api.reply = (500, {"data": None, "message": "QEMU guest agent is not running"})
    collector.collect()
    clock.now = 1700.0
    collector.collect()
    assert len(api.requests) == 3
    clock.now = 1801.0
    hypervisor.set_guests(6)  # pvestatd writes on
    api.reply = (200, {"data": INTERFACES})
    rows = {row["vmid"]: row for row in collector.collect()["vms"]}
    assert rows[100]["ips"] == ["203.0.113.7"]


def test_a_refused_token_is_said_and_the_rest_is_told(hypervisor: Hypervisor, api: Api) -> None:
    api.reply = (401, {"data": None})
    section = details(hypervisor, api, Clock()).collect()
    assert "refuses the token" in section["incomplete"]
    assert "secret" not in section["incomplete"]
    assert len(section["vms"]) == 6


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data": null}', b'{"data": {"result": [1]}}', b'{"data": {"result": {}}}x']
)
def test_what_is_no_answer_is_unknown_and_not_empty(body: bytes) -> None:
    assert parse_interfaces(body) is None


def test_a_guest_without_addresses_has_none() -> None:
    assert parse_interfaces(b'{"data": {"result": []}}') == []
