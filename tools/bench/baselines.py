"""What proxmon is measured against, each in a process of its own: the same clients send to all of them."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HANDLER = """
import asyncio, json, sqlite3, sys
import tornado.web
path = sys.argv[1] if len(sys.argv) > 1 else None
if path:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE samples (host TEXT, tier TEXT, collected_at TEXT, payload TEXT)")
    db.execute("CREATE UNIQUE INDEX key ON samples (host, tier, collected_at)")
class Handler(tornado.web.RequestHandler):
    def post(self):
        samples = json.loads(self.request.body)["samples"]
        host = self.request.headers["Authorization"]
        for one in samples if path else ():
            row = (host, one["tier"], one["collected_at"], json.dumps(one["payload"]))
            db.execute("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)", row)
        self.write({"stored": len(samples)})
async def main():
    server = tornado.web.Application([("/api/ingest", Handler)]).listen(0, "127.0.0.1")
    print(next(iter(server._sockets.values())).getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
# So that what it holds is compacted while the bench waits.
cache-snapshot-write-cold-duration = "2s"
compact-full-write-cold-duration = "4s"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""
START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Baseline:
    """A running server that takes samples, its process, and where it keeps them."""

    url: str
    pid: int
    folder: Path


@contextmanager
def a_handler(*, with_sqlite: bool) -> Iterator[Baseline]:
    """Give a Tornado server that parses and forgets, or stores each sample in SQLite before it answers."""
    with TemporaryDirectory(prefix="proxmon-bench-") as folder:
        database = [str(Path(folder) / "samples.sqlite")] if with_sqlite else []
        process = subprocess.Popen([sys.executable, "-c", HANDLER, *database], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            yield Baseline(f"http://127.0.0.1:{port}/api/ingest", process.pid, Path(folder))
        finally:
            process.kill()
            process.wait()


@contextmanager
def an_influxdb() -> Iterator[Baseline | None]:
    """Give a running InfluxDB 1.x, or None where it is not installed."""
    program = shutil.which("influxd")
    if program is None:
        yield None
        return
    with TemporaryDirectory(prefix="proxmon-bench-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = Path(folder) / "influxdb.conf"
        config.write_text(INFLUX.format(folder=folder, port=port))
        process = subprocess.Popen([program, "-config", str(config)], stderr=subprocess.DEVNULL)
        try:
            _create_database(port)
            yield Baseline(f"http://127.0.0.1:{port}/write?db=bench&precision=ms", process.pid, Path(folder))
        finally:
            process.terminate()
            process.wait()


def _create_database(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("POST", "/query?q=CREATE%20DATABASE%20bench")
            assert connection.getresponse().status == 200
            return
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


def folder_bytes(folder: Path) -> int:
    """Return how much room the files of a folder take; InfluxDB's are longer than what is in them."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
