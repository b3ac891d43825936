"""The log: an entry a line, no secret in it, and no flood."""

from __future__ import annotations

import json
import logging
import secrets
import sys

import pytest

from proxmon.auth import hash_password
from proxmon.logs import ALIKE_SECONDS, MOST_ALIKE, JsonFormatter, Repeats, TextFormatter, without_secrets

TOKEN = secrets.token_urlsafe(32)
DASHED = f"-{'x' * 41}-"  # one of 32 begins or ends like this
HASH = hash_password("secret")


def a_record(message: str, *args: object, **changes: object) -> logging.LogRecord:
    record = logging.LogRecord("proxmon.x", logging.WARNING, __file__, 1, message, args, None)
    record.__dict__.update(changes)
    return record


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        (f"token={TOKEN} was refused", TOKEN),
        ("404 GET /x?a=1&password=hunter2&b=2 (127.0.0.1)", "hunter2"),
        ("400 POST /login (127.0.0.1): Invalid unicode in password: b'hunter2\\xe4'", "hunter2"),
        (f"token={DASHED} was refused", DASHED),
        ("404 GET /acknowledge/abc.def-1 (127.0.0.1)", "abc.def-1"),
        (f"DASHBOARD_PASSWORD_HASH={HASH}", HASH[10:]),
        ("https://monitor:hunter2@mon.example/x", "hunter2"),
        ('Cookie: user="2|1:0|10:1700000000|4:user|8:b3duZXI=|0af"', "b3duZXI"),
    ],
    ids=["header", "field", "query", "form", "dashes", "link", "hash", "address", "cookie"],
)
def test_a_credential_is_never_written(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in without_secrets(text)


def test_what_is_no_credential_stays() -> None:
    text = "GET /api/hosts/pve-01 at 2026-11-22T20:00:00Z: fleet.duckdb.wal.damaged-20261122T200000000000"
    assert without_secrets(text) == text


def test_text_of_others_makes_no_line_of_its_own() -> None:
    text = TextFormatter().format(a_record("name %s", "x\n2026 ERROR root: forged\x1b[2J\u202e"))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_an_entry_is_one_json_object_a_line() -> None:
    try:
        raise ValueError(f"Bearer {TOKEN}")
    except ValueError:
        line = JsonFormatter().format(a_record("it failed: %s", "x\ny", exc_info=sys.exc_info()))
    entry = json.loads(line)
    assert "\n" not in line
    assert (entry["level"], entry["logger"]) == ("warning", "proxmon.x")
    assert "Traceback" in entry["trace"]
    assert TOKEN not in line


def test_what_repeats_itself_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("proxmon.logs.time.monotonic", lambda: now[0])
    repeats = Repeats()
    passed = [repeats.filter(a_record("too much from %s", n)) for n in range(100)]
    assert passed == [True] * MOST_ALIKE + [False] * (100 - MOST_ALIKE)
    assert repeats.filter(a_record("something else"))
    now[0] += ALIKE_SECONDS
    record = a_record("too much from %s", "last")
    assert repeats.filter(record)
    assert record.getMessage() == f"too much from last ({100 - MOST_ALIKE} more like this)"
