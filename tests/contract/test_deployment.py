"""What is in deploy/ works as it stands: nginx and Caddy with TLS in front, and metrics as Prometheus wants them."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.builders import a_message
from tests.contract.test_login import page_token
from tests.servers import ROOT, Server

NAME = "mon.example"
START_SECONDS = 30
PLAIN, KEPT, CADDY = "as it stands", "with one connection that is kept", "Caddy"
BELOW = "/proxmon"
Proxied = tuple[Server, str, Path]


class From(HTTPAdapter):
    """Connects from another address of this machine, so that its failures are counted apart."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **options)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def is_listening(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def write_configuration(folder: Path, upstream: str, port: int, plain_port: int, way: str, prefix: str = "") -> Path:
    """Write deploy/nginx.conf as a whole configuration, with the places and ports of this test."""
    pool = f"upstream kept {{ server {upstream}; keepalive 1; }}\n" if way == KEPT else ""
    text = (ROOT / "deploy/nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen [::]:443 ssl", f"listen unix:{folder}/https ssl"),  # not every machine has IPv6
        ("listen 80;", f"listen 127.0.0.1:{plain_port};"),
        ("listen [::]:80;", f"listen unix:{folder}/http;"),
        ("/etc/ssl/proxmon/fullchain.pem", str(folder / "cert.pem")),
        ("/etc/ssl/proxmon/privkey.pem", str(folder / "key.pem")),
        ("http://127.0.0.1:5006", "http://kept" if pool else f"http://{upstream}"),
        ("location / {", f"location {prefix}/ {{"),
    ):
        assert old in text
        text = text.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    head = f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\n"
    path = folder / "nginx.conf"
    path.write_text(f"{head}http {{\naccess_log off;\n{places}{pool}{text}}}\n")
    return path


def write_caddyfile(folder: Path, upstream: str, port: int) -> Path:
    """Write deploy/Caddyfile with the places and ports of this test; Caddy can get no certificate here."""
    text = (ROOT / "deploy/Caddyfile").read_text()
    site = f"https://{NAME}:{port}, https://localhost:{port} {{\n\tbind 127.0.0.1\n"
    for old, new in (
        (f"{NAME} {{\n", f"{site}\ttls {folder}/cert.pem {folder}/key.pem\n"),
        ("127.0.0.1:5006", upstream),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "Caddyfile"
    path.write_text(f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {folder}/caddy\n}}\n{text}")
    return path


@pytest.fixture(scope="module", params=[PLAIN, KEPT, CADDY])
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Give a server, its address behind a proxy, and the certificate to trust."""
    with behind_proxy(tmp_path_factory.mktemp("proxy"), request.param) as both:
        yield both


@contextmanager
def behind_proxy(folder: Path, way: str, prefix: str = "") -> Generator[Proxied]:
    """Give a server, its address behind nginx or Caddy, and the certificate to trust."""
    program = find_caddy() if way == CADDY else shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    assert program, "nginx is missing: apt install nginx-light"
    folder.chmod(0o755)
    subject = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:localhost")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "key.pem"))
    argv = ("openssl", "req", "-x509", "-days", "2", *subject, *key, "-out", str(folder / "cert.pem"))
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    environment = {"PROXMON_TRUST_PROXY": "yes", "PROXMON_PREFIX": prefix}
    server = Server(folder / "data", environment=environment).start()
    port, plain_port = free_port(), free_port()
    upstream, log = urlsplit(server.url).netloc, folder / "error.log"
    if way == CADDY:
        path = write_caddyfile(folder, upstream, port)
        command = [program, "run", "--adapter", "caddyfile", "--config", str(path)]
    else:
        path = write_configuration(folder, upstream, port, plain_port, way, prefix)
        command = [program, "-c", str(path), "-e", str(log)]
    with log.open("ab") as errors:
        proxy = subprocess.Popen(command, env=os.environ | {"HOME": str(folder)}, stderr=errors)
    deadline = time.monotonic() + START_SECONDS
    while not is_listening(port):
        assert proxy.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        yield server, f"https://localhost:{port}{prefix}", folder / "cert.pem"
    finally:
        proxy.terminate()
        proxy.wait(20)
        server.stop()


def find_caddy() -> str:
    """Return where Caddy is; not every release of Ubuntu has it."""
    program = shutil.which("caddy")
    if not program:
        pytest.skip("Caddy is missing: apt install caddy")
    return program


def test_below_a_path_of_nginx_pages_and_agents_find_their_way(tmp_path: Path) -> None:
    with behind_proxy(tmp_path, PLAIN, BELOW) as (server, url, certificate):
        visitor = requests.Session()
        visitor.trust_env = False  # else a bundle of certificates that is named there wins over ours
        visitor.verify, visitor.headers["Origin"] = str(certificate), url.removesuffix(BELOW)
        login = visitor.post(f"{url}/login", data={"password": server.password}, allow_redirects=False, timeout=30)
        assert (login.status_code, login.headers["Location"]) == (302, f"{BELOW}/")
        page = visitor.get(f"{url}/", timeout=30)
        assert page.status_code == 200
        scripts = set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text))
        assert scripts
        assert {path for path in scripts if not path.startswith(f"{BELOW}/")} == set()
        assert {visitor.get(url.removesuffix(BELOW) + path, timeout=30).status_code for path in scripts} == {200}
        headers = {"Authorization": f"Bearer {server.add_host('pve-01')}"}
        answer = visitor.post(f"{url}/api/ingest", data=a_message(), headers=headers, timeout=30)
        assert answer.json() == {"stored": 1, "duplicates": 0}
        assert url in visitor.get(f"{url}/agent/install.sh", timeout=30).text
        assert visitor.get(f"{url.removesuffix(BELOW)}/login", timeout=30).status_code == 404


def test_a_login_behind_a_proxy_is_secure_and_leads_on(proxied: Proxied) -> None:
    server, url, certificate = proxied
    origin = {"Origin": url, "X-Scheme": "http"}  # which the proxy overwrites
    answer = requests.post(
        f"{url}/login",
        data={"password": server.password},
        headers=origin,
        verify=str(certificate),
        allow_redirects=False,
        timeout=30,
    )
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
    assert "secure" in answer.headers["Set-Cookie"].lower()
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    page = requests.get(url, cookies=answer.cookies, verify=str(certificate), timeout=30)
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("proxied", [PLAIN, KEPT], indirect=True)
def test_nginx_leads_from_http_to_https(proxied: Proxied) -> None:
    _, _, certificate = proxied
    (plain_port,) = re.findall(r"listen 127\.0\.0\.1:(\d+);", (certificate.parent / "nginx.conf").read_text())
    url = f"http://localhost:{plain_port}/hosts/pve-01?at=2026-11-20T03:12Z"
    answer = requests.get(url, allow_redirects=False, timeout=30)
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://localhost/hosts/pve-01?at=2026-11-20T03:12Z"


@pytest.mark.parametrize(("origin", "status"), [("", 101), ("https://evil.example", 403)])
def test_websockets_pass_a_proxy_by_their_origin(proxied: Proxied, origin: str, status: int) -> None:
    server, url, certificate = proxied
    cookie = f"user={server.log_in().cookies['user']}"
    token = page_token(server, "", {"Cookie": cookie})
    netloc = urlsplit(url).netloc
    lines = [
        *("GET /ws HTTP/1.1", f"Host: {netloc}", f"Origin: {origin or url}", f"Cookie: {cookie}"),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Sec-WebSocket-Protocol: bokeh, {token}", "", ""),
    ]
    context = ssl.create_default_context(cafile=str(certificate))
    host, port = netloc.split(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall("\r\n".join(lines).encode())
        assert f" {status} " in connection.recv(1000).decode(errors="replace").splitlines()[0]


def test_agents_deliver_through_a_proxy(proxied: Proxied) -> None:
    server, url, certificate = proxied
    headers = {"Authorization": f"Bearer {server.add_host('pve-01')}", "Content-Encoding": "gzip"}
    body = gzip.compress(a_message(agent_version="x" * 1000))
    answer = requests.post(f"{url}/api/ingest", data=body, headers=headers, verify=str(certificate), timeout=30)
    assert answer.json() == {"stored": 1, "duplicates": 0}
    script = requests.get(f"{url}/agent/install.sh", verify=str(certificate), timeout=30).text
    assert url in script


@pytest.mark.parametrize("proxied", [KEPT], indirect=True)
def test_agents_and_browsers_take_turns_on_one_connection(proxied: Proxied) -> None:
    server, url, certificate = proxied
    agents = [server.add_host(f"pve-turn-{number}") for number in range(2)]
    visitor = requests.Session()
    visitor.mount("https://", From("127.0.0.8"))

    def post(token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(
            f"{url}/api/ingest", data=a_message(), headers=headers, verify=str(certificate), timeout=30
        )

    def log_in(password: str) -> int:
        data = {"password": password}
        headers = {"Origin": url}
        return visitor.post(
            f"{url}/login", data=data, headers=headers, verify=str(certificate), timeout=30, allow_redirects=False
        ).status_code

    for number in range(4):
        answers = [post(token) for token in (*agents, *agents)]
        assert [answer.json()["stored"] for answer in answers] == ([1, 1, 0, 0] if number == 0 else [0] * 4)
        assert "Vary" not in answers[-1].headers  # it was read and answered without Tornado
        # Whose address counts is the visitor's, not that of nginx or of the one before.
        assert log_in("wrong") == 401
        assert post("x" * 43).status_code == 401
        page = requests.get(f"{url}/login", verify=str(certificate), timeout=30)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert [log_in("wrong"), log_in("wrong")] == [401, 429]
    others = requests.post(f"{url}/login", data={"password": "wrong"}, verify=str(certificate), timeout=30)
    assert others.status_code == 401


def test_a_visitor_cannot_choose_the_address_it_is_counted_by(proxied: Proxied) -> None:
    _, url, certificate = proxied
    stranger = requests.Session()
    stranger.mount("https://", From("127.0.0.9"))
    statuses = [
        stranger.post(
            f"{url}/login",
            data={"password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"},
            verify=str(certificate),
            timeout=30,
        ).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]


def test_prometheus_has_nothing_to_object_to_in_the_metrics(server: Server) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is missing: apt install prometheus"
    assert server.post(server.add_host("pve-metrics"), a_message()).ok
    metrics = server.ask("GET", "/metrics").content
    checked = subprocess.run([program, "check", "metrics"], input=metrics, capture_output=True, check=False, timeout=60)
    assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()
    assert checked.stderr == b""


def test_a_container_is_healthy_while_samples_can_be_stored_wherever_the_server_listens(tmp_path: Path) -> None:
    (check,) = re.findall(r"HEALTHCHECK [^\n]*\n +CMD (\[.*\])", (ROOT / "deploy/Dockerfile").read_text())
    _, *arguments = json.loads(check)
    server = Server(tmp_path / "data", environment={"PROXMON_PREFIX": "/mon"})

    def is_healthy() -> bool:
        environment = os.environ | {"PROXMON_DATA": str(server.data)}
        command = [sys.executable, *arguments]
        return not subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode

    assert not is_healthy()
    server.start()
    try:
        assert is_healthy()
    finally:
        server.stop()
    assert not is_healthy()
