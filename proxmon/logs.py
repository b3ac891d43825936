"""The server's log: one line an entry, as text or JSON, without secrets, and bounded when something repeats itself."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import UTC, datetime
from enum import StrEnum


class LogLevel(StrEnum):
    """The least that is logged. Of the libraries' own entries, only warnings are, except for debug."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How an entry looks."""

    TEXT = "text"
    JSON = "json"


OWN_LOGGERS = ("proxmon", "storage", "dashboards")
# Under a flood each refused message would be an entry: of each kind so many within so many seconds.
MOST_ALIKE, ALIKE_SECONDS, MOST_KINDS = 5, 10.0, 1_000
# Whatever is logged of a request or an error, a credential in it is not.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), r"\1 …"),
    (re.compile(r"/acknowledge/[^\s?\"']+"), "/acknowledge/…"),
    (re.compile(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])"), "…"),  # a token of ours: 32 bytes in base64
    (re.compile(r"(Invalid unicode in [^:]{1,64}): .*"), r"\1"),  # Tornado's, of a field that may be a password
    (re.compile(r"(?i)([?&][\w-]*(?:password|token|session-id)=)[^\s&\"')]+"), r"\1…"),
    (re.compile(r"\$argon2[a-z]*\$\S+"), "$argon2…"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1…@"),
    (re.compile(r"(?i)\b(user|browser)=\"?2\|[^\s;,]+"), r"\1=…"),
)
# Text from elsewhere must not begin a line of its own, nor steer the terminal of who reads the log.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def set_up_logging(level: str, form: str) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == LogFormat.JSON else TextFormatter())
    handler.addFilter(Repeats())
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=number if level == LogLevel.DEBUG else logging.WARNING, handlers=[handler])
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(number)
    if level != LogLevel.DEBUG:
        # What a client did wrong is answered; only what the server did wrong is an entry.
        logging.getLogger("tornado.access").setLevel(logging.ERROR)


def without_secrets(text: str) -> str:
    """Return a text with every credential in it replaced."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class TextFormatter(logging.Formatter):
    """``2026-11-22 20:00:00,120 WARNING storage.journal: …``; a trace follows on lines of its own, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry."""
        moment = datetime.fromtimestamp(record.created, UTC)
        head = f"{moment:%Y-%m-%d %H:%M:%S},{record.msecs:03.0f} {record.levelname} {record.name}: "
        lines = [head + one_line(record.getMessage()), *_trace(self, record).splitlines()]
        return "\n    ".join(lines)


class JsonFormatter(logging.Formatter):
    """``{"time": …, "level": …, "logger": …, "message": …}``, with ``trace`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": one_line(record.getMessage()),
        }
        trace = _trace(self, record)
        return json.dumps(entry | ({"trace": trace} if trace else {}))


class Repeats(logging.Filter):
    """Lets a few entries of each kind pass, then none for a while, and says at the next how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the entry is written."""
        kind, now = (record.name, str(record.msg)), time.monotonic()
        begun_at, count = self._seen.get(kind, (now, 0))
        if now - begun_at >= ALIKE_SECONDS:
            if count > MOST_ALIKE:
                record.msg, record.args = f"{record.getMessage()} ({count - MOST_ALIKE} more like this)", ()
            begun_at, count = now, 0
        if len(self._seen) >= MOST_KINDS:
            self._seen.clear()
        self._seen[kind] = (begun_at, count + 1)
        return count < MOST_ALIKE


def one_line(text: str) -> str:
    """Return a text on one line, without what could deceive its reader and without secrets."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", without_secrets(text))


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return without_secrets(formatter.formatException(record.exc_info)) if record.exc_info else ""
