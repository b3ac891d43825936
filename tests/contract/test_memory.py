"""What the server holds in memory, and what it does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import a_message
from tests.servers import WAYS, Server

SPARED = """
import importlib.util, sys
from proxmon.spared import spare_pandas
spare_pandas()
assert importlib.util.find_spec("pandas") is not None  # as those ask that only want to know whether they may
try:
    import pandas
except ModuleNotFoundError as error:
    print(error)
"""


def maps(server: Server) -> str:
    """Return which files the process has in its memory."""
    assert server.process is not None
    return Path(f"/proc/{server.process.pid}/maps").read_text()


@pytest.mark.parametrize("way", WAYS)
def test_samples_pages_charts_files_and_sql_need_no_pandas(tmp_path: Path, way: str) -> None:
    server = Server(tmp_path / "data", way=way).start()
    try:
        assert server.post(server.add_host("pve-01"), a_message()).json() == {"stored": 1, "duplicates": 0}
        session = server.log_in()
        for path in ("/", "/hosts/pve-01", "/vms", "/alerts"):
            assert session.get(server.url + path, timeout=30).status_code == 200
        span = {"since": "1763600000", "until": "1796000000", "show": "host:400,zpool:400,storage:400,guest:400"}
        for form, has in (("csv", b"at,"), ("parquet", b"PAR1"), ("json", b'{"at":[')):
            answer = server.ask("GET", f"/hosts/pve-01/values.{form}", params=span)
            assert (answer.status_code, answer.content[: len(has)]) == (200, has)
        assert server.ask("POST", "/api/query", json={"sql": "FROM host_samples"}).ok
        assert "libarrow" in maps(server)
        assert "pandas" not in maps(server)
    finally:
        server.stop()
    assert "Traceback" not in server.log()


def test_who_needs_pandas_nevertheless_is_told_so() -> None:
    told = subprocess.run([sys.executable, "-c", SPARED], check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout == "The server does without pandas.\n"
