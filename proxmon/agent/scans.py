"""Scrubs, resilvers and sequential rebuilds of a pool, and the `scan:` lines that tell of them."""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any

from . import units

_OPENING = re.compile(
    r"(?:thorough )?(?P<word>scrub|resilver(?:ed)?|rebuil(?:d|t))\b(?: \((?P<vdev>[^)]*)\))?"
    r"\s*(?P<verb>in progress|paused|cancell?ed|stopped|repaired|completed)?"
)
_STATES = {
    "in progress": "scanning",
    "paused": "paused",
    "canceled": "canceled",
    "cancelled": "canceled",
    "stopped": "canceled",
}
_PERCENT = re.compile(r"([0-9]{1,12}(?:[.,][0-9]{1,9})?)% done")
_ERRORS = re.compile(r"with ([0-9]{1,20}) errors?")
_LASTED = re.compile(r"\b(?:in|after) (.{1,40}?) with ")


def scan_record(
    state: str,
    percent: float | None = None,
    errors: int | None = None,
    start_at: str | None = None,
    end_at: str | None = None,
) -> dict[str, Any]:
    """Return one operation, with only what every output says in its state.

    percent and start_at while it runs or is paused, errors once finished, end_at once finished or canceled.
    """
    is_running = state in ("scanning", "paused")
    return {
        "state": state,
        "percent": percent if is_running else None,
        "errors": errors if state == "finished" else None,
        "start_at": start_at if is_running else None,
        "end_at": None if is_running else end_at,
    }


def duration(state: str, seconds: int | None) -> dict[str, Any]:
    """Return how long a scrub or resilver took, pauses included, which is said once it has finished."""
    return {"duration_seconds": seconds if state == "finished" and seconds is not None and seconds >= 0 else None}


def read_scan(text: str, tz: tzinfo | None = None) -> dict[str, Any] | None:
    """Return the operation in one `scan:` (long ago `scrub:`) paragraph; None for `none requested`.

    A sequential rebuild has `vdev`, the group it fills; a scrub or resilver has `function`.
    An error scrub (`zpool scrub -e`) reads only known bad blocks and is no scrub.
    """
    match = _OPENING.match(text)
    if match is None or (match["word"] == "scrub" and match["verb"] is None):
        return None
    state = _STATES.get(match["verb"] or "", "finished")
    if match["word"] == "resilver" and match["verb"] is None:
        return None
    percent, errors = _PERCENT.search(text), _ERRORS.search(text)
    record = scan_record(
        state,
        percent=units.parse_decimal(percent.group(1)) if percent else None,
        errors=int(errors.group(1)) if errors else None,
        start_at=units.find_date(text.partition("started on")[2] or text, tz),
        end_at=units.find_date(text, tz),
    )
    if match["vdev"] is not None:
        return {"vdev": match["vdev"], **record}
    lasted = _LASTED.search(text)
    function = "scrub" if match["word"] == "scrub" else "resilver"
    return {"function": function, **record, **duration(state, units.parse_span(lasted.group(1)) if lasted else None)}


def pool_scans(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return scan, rebuilds and last_scrub_end of a pool in the contract's form."""
    scan = next((each for each in operations if "function" in each), None)
    is_finished_scrub = scan is not None and (scan["function"], scan["state"]) == ("scrub", "finished")
    return {
        "last_scrub_end": scan["end_at"] if scan and is_finished_scrub else None,
        "scan": scan,
        "rebuilds": [each for each in operations if "vdev" in each],
    }
