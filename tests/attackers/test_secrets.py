"""The secrets of a run are in nothing that it shows or leaves behind: logs, errors, `ps`, metrics, exports, store."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from tests.builders import a_message, a_wire_sample, iso
from tests.servers import ROOT, Server

PASSWORD_OF_MAIL = "open-sesame-of-the-mail"
TOPIC = "topic-that-nobody-guesses"
# Told by contract: a channel's address is there as it is, for the owner alone to read (docs/store.md).
ADDRESSES_LIE_IN = "secrets.sqlite"


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Server]:
    """Give a server that logs all it can."""
    running = Server(tmp_path / "data", environment={"PROXMON_LOG_LEVEL": "debug", "PROXMON_LOG_FORMAT": "json"})
    yield running.start()
    running.stop()


class Talk:
    """What people, agents and attackers do with a server: the secrets that they use, and the errors that they see."""

    def __init__(self, server: Server) -> None:
        self.server, self.errors = server, list[bytes]()
        self.session = server.log_in()
        issued = server.ask("POST", "/api/tokens", json={"name": "grafana", "role": "reader"}).json()["token"]
        self.secrets = {"password": server.password, "host": server.add_host("pve-01"), "api": issued}
        self.secrets |= {"local": server.control.token, "wrong password": "wrong-guess-of-mallory"}
        self.secrets |= {"cookie": self.session.cookies["user"], "browser": self.session.cookies["browser"]}
        self.secrets |= {"mail": PASSWORD_OF_MAIL, "topic": TOPIC}

    def fail(self, method: str, path: str, token: str = "", *, quoted: str = "", **options: Any) -> None:
        """Ask for what is refused. ``quoted`` is a wrong value that the sender, and nobody else, is told again."""
        answer = self.server.ask(method, path, token, allow_redirects=False, **options)
        assert answer.status_code >= 400, (method, path)
        text = json.dumps(dict(answer.headers)) + answer.text
        self.errors += [(text.replace(quoted, "", 1) if quoted else text).encode()]

    def use_everything(self) -> None:
        """Do what goes well and what fails."""
        self.make_channels()
        for name in ("host", "api", "local"):
            self.misuse(self.secrets[name])
        self.guess()
        self.change_host()
        self.session.get(self.server.url + "/hosts/pve-01", timeout=30)
        bearer = {"Authorization": f"Bearer {self.secrets['host']}"}
        self.session.get(self.server.url + f"/?missing={self.secrets['host']}", headers=bearer, timeout=30)

    def make_channels(self) -> None:
        """Add channels whose services do not answer, and some that are none."""
        for name, url in (
            ("mail", f"mailto://alice:{PASSWORD_OF_MAIL}@127.0.0.1:1?from=a@mail.example&to=b@mail.example"),
            ("phone", f"ntfy://127.0.0.1:1/{TOPIC}"),
        ):
            assert self.server.ask("POST", "/api/channels", json={"name": name, "url": url}).status_code == 201
            admin = self.secrets["local"]
            self.fail("POST", f"/api/channels/{name}/test", admin)
            self.fail("POST", "/api/channels", admin, json={"name": name, "url": url})
            self.fail("POST", "/api/channels", admin, json={"name": "other", "url": f"nothing{url}"})
            self.fail("PATCH", f"/api/channels/{name}", admin, json={"url": f"nothing{url}"})
            self.fail("POST", "/api/channels", self.secrets["api"], json={"name": "other", "url": url})

    def misuse(self, token: str) -> None:
        """Send a token where it is none, and in places where none belongs."""
        admin, reader, host = self.secrets["local"], self.secrets["api"], self.secrets["host"]
        self.fail("POST", "/api/ingest", token + "x", data=a_message())
        self.fail("GET", "/api/hosts", token + "x")
        self.fail("POST", "/api/ingest", host, data=token.encode())
        self.fail("POST", "/api/ingest", host, quoted=token, data=a_message(a_wire_sample() | {"tier": token}))
        self.fail("POST", "/api/ingest", host, quoted=token, data=a_message(a_wire_sample(collected_at=token)))
        self.fail("POST", "/api/ingest", host, quoted=token, data=a_message(sent_at=token))
        self.fail("POST", "/api/ingest", host, data=a_message(a_wire_sample(payload={"host": {"load1": token}})))
        self.fail("POST", "/api/goodbye", host, data=token.encode())
        self.fail("GET", f"/api/hosts?token={token}&at=nonsense", admin)
        self.fail("GET", f"/api/hosts?at={token}", reader)
        self.fail("GET", f"/api/hosts/{token}", admin)
        self.fail("DELETE", f"/api/hosts/{token}", reader)
        self.fail("POST", "/api/hosts", admin, json={"name": f"{token}!"})
        self.fail("DELETE", f"/api/tokens/{token}", admin, quoted=token)
        self.fail("POST", "/api/tokens", admin, json={"name": "x", "role": token})
        self.fail("GET", f"/acknowledge/{token}")
        self.fail("GET", f"/api/nothing/{token}")
        self.fail("GET", f"/nothing/{token}")
        self.fail("PUT", "/api/rules", admin, json={"text": f"[{token}"})
        self.fail("POST", "/api/query", reader, json={"sql": "SELECT ? FROM nothing", "parameters": [token]})

    def change_host(self) -> None:
        """Stop the agent, and give its host another token."""
        goodbye = self.server.ask("POST", "/api/goodbye", self.secrets["host"], json={"reason": "reboot"})
        assert goodbye.status_code == 204
        self.secrets["new host"] = self.server.ask("POST", "/api/hosts/pve-01/rotate").json()["token"]
        self.fail("POST", "/api/goodbye", self.secrets["host"])

    def guess(self) -> None:
        """Log in with a wrong password, and with the right one from another site."""
        address = self.server.url + "/login"
        foreign = {"Origin": "http://evil.example"}
        for name, headers in (("wrong password", {}), ("password", foreign)):
            answer = requests.post(address, data={"password": self.secrets[name]}, headers=headers, timeout=30)
            assert answer.status_code in (401, 403)
            self.errors += [answer.content]


def processes() -> bytes:
    """Return the command lines of all processes, as `ps` shows them to everybody."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes()
        except OSError:
            continue  # it ended in between
    return found


def run(server: Server, *arguments: str) -> bytes:
    """Return what a command of ours prints."""
    command = [sys.executable, "-m", "proxmon", *arguments, "--data", str(server.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    return done.stdout + done.stderr


def rows_of(file: Path) -> bytes:
    """Return all rows of a DuckDB file, in which long texts are packed."""
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        rows = [connection.execute(f'FROM "{schema}"."{table}"').fetchall() for schema, table in tables]
    assert any(rows)
    return repr(rows).encode()


def test_no_secret_is_shown_or_left_behind(talkative: Server, tmp_path: Path) -> None:
    assert talkative.post(talkative.add_host("pve-02"), a_message()).ok
    talk = Talk(talkative)
    now = iso(datetime.now(UTC))
    assert talkative.post(talk.secrets["host"], a_message(a_wire_sample(collected_at=now))).ok
    talk.use_everything()
    shown = {"errors": b"\n".join(talk.errors), "ps": processes()}
    for path in ("/metrics", "/api/hosts", "/api/tokens", "/api/channels", "/api/events", "/api/openapi.json"):
        shown[path] = talkative.ask("GET", path).content
    for page in ("/", "/hosts/pve-01", "/events", "/admin/hosts", "/admin/channels", "/admin/rules", "/admin/store"):
        shown[page] = talk.session.get(talkative.url + page, timeout=30).content
    for table in ("hosts", "host_events", "events", "samples", "alert_events", "schema_migrations"):
        shown[f"export of {table}"] = run(talkative, "export", table)
    for listed in ("hosts", "tokens", "channels"):
        shown[f"list of {listed}"] = run(talkative, listed, "list", "--json")
    shown["bundle command"] = run(talkative, "bundle", "pve-01", str(tmp_path / "bundle.duckdb"), "--at", now)
    talkative.stop()
    shown |= {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"data.log", "fleet.duckdb", "bundle.duckdb", ADDRESSES_LIE_IN} <= set(shown)
    shown |= {
        f"rows of {name}": rows_of(path) for name in ("fleet", "bundle") for path in tmp_path.rglob(f"{name}.duckdb")
    }
    found = {
        (where, name) for name, one in talk.secrets.items() for where, text in shown.items() if one.encode() in text
    }
    assert found == {(ADDRESSES_LIE_IN, "mail"), (ADDRESSES_LIE_IN, "topic")}


def test_what_is_logged_of_a_request_is_without_the_tokens_in_it(talkative: Server) -> None:
    tokens = [secrets.token_urlsafe(32) for _ in range(3)]
    for path in ("/acknowledge/{}", "/api/hosts?token={}"):  # more than some that are alike are not logged at once
        assert talkative.ask("GET", path.format(tokens[0]), tokens[1]).status_code == 401
    requests.get(talkative.url + "/nothing", cookies={"user": f"2|1:0|10:1|4:user|8:{tokens[2]}|"}, timeout=30)
    log = talkative.log()
    assert "/acknowledge/…" in json_texts(log)
    assert "/api/hosts?token=…" in json_texts(log)
    assert [token for token in tokens if token in log] == []


def json_texts(log: str) -> str:
    """Return what the log's entries say."""
    return "\n".join(json.loads(line)["message"] for line in log.splitlines() if line.startswith("{"))
