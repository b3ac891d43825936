"""Says what a page of the past is shown from, where the samples of that time are not all there any more."""

from __future__ import annotations

from collections.abc import Iterable

from proxmon.fleet import HostSnapshot, Resolution

# The coarsest one speaks for a page of many hosts.
_COARSEST_FIRST = (Resolution.EVENTS, Resolution.HOUR, Resolution.ROWS)
_OF_MANY = {
    Resolution.EVENTS: "Of some hosts only events are kept of this time; their values are unknown.",
    Resolution.HOUR: "Of this time one sample an hour is kept, and those at events: statuses are exact, values up to "
    "an hour old.",
    Resolution.ROWS: "Guests are shown as of the last sample that is kept of this time, up to an hour old.",
}


def resolution_words(hosts: Iterable[HostSnapshot]) -> str:
    """Return the sentence for what hosts are shown from; empty when that is the newest samples of all."""
    shown = list(hosts)
    for resolution in _COARSEST_FIRST:
        found = [host for host in shown if host.resolution is resolution]
        if found:
            return _of_one(found[0]) if len(shown) == 1 else _OF_MANY[resolution]
    return ""


def _of_one(host: HostSnapshot) -> str:
    if host.resolution is Resolution.EVENTS:
        return "Only events are kept of this time; values are unknown."
    if host.kept_at is None:
        return "Guests are unknown: no sample is kept of this time."
    moment = f"{host.kept_at:%Y-%m-%d %H:%M:%S} UTC"
    if host.resolution is Resolution.ROWS:
        return f"Guests are shown as of {moment}, the last sample that is kept of this time."
    return f"Of this time one sample an hour is kept, and those at events: values are those of {moment}."
