"""Runs one tier of the one-file agent several times, with nothing remembered in between, and prints what each run cost.

Called as a program of its own under the Python that hosts have: ARCHIVE ROOT PATH TIER COUNT.
"""

from __future__ import annotations

import json
import resource
import sys


def main() -> None:
    """Print a JSON object: CPU seconds of each run, own and of the programs, and the peak of memory at the end."""
    archive, root, path, tier_name, count = sys.argv[1:]
    sys.path.insert(0, archive)
    # The names of the archive, which is the only place where they are.
    from proxmon_agent.machine import Machine  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.message import Envelope, iso_utc  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.programs import Programs  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.selfreport import peak_rss_bytes  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.settings import Settings  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.spool import Spool  # pyright: ignore  # noqa: PLC0415
    from proxmon_agent.tiers import build_tiers  # pyright: ignore  # noqa: PLC0415

    settings = Settings(server="", token="", once=True)
    runs = []
    for _ in range(int(count) + 1):
        tier = build_tiers(Machine(root, Programs(path)), settings)[tier_name]
        spool = Spool(None, 10, 1 << 28)
        before = used_seconds()
        spool.add(tier_name, tier.collect())
        entries = spool.entries()
        Envelope("1", settings.intervals).pack([spool.read(entry) or b"" for entry in entries], iso_utc(0))
        runs.append([after - earlier for after, earlier in zip(used_seconds(), before)])  # noqa: B905 - for Python 3.9
    # The first run also loads what the others find loaded.
    own, programs = zip(*runs[1:])  # noqa: B905
    print(json.dumps({"own": own, "programs": programs, "first": runs[0], "peak_bytes": peak_rss_bytes()}))


def used_seconds() -> tuple[float, float]:
    """Return the CPU seconds of this process and of the programs that it has run."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, programs = (usage.ru_utime + usage.ru_stime for usage in usages)
    return own, programs


if __name__ == "__main__":
    main()
