"""Messages whose values move as those of real hosts do, as our JSON and as InfluxDB's line protocol."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.builders import a_fast_payload, a_guest, a_message, a_pool, iso

GUESTS = 20
GIB = 2**30
MILLISECOND = timedelta(milliseconds=1)


def payloads(seed: int) -> Iterator[dict[str, Any]]:
    """Give a host's fast payloads one after the other: 20 guests, 2 zpools, 4 storages."""
    chance = random.Random(seed)
    memory = [chance.randrange(GIB, 8 * GIB) for _ in range(GUESTS)]
    used = [chance.randrange(100, 600) * GIB for _ in range(6)]
    for number in range(10**9):
        memory = [max(GIB // 2, amount + chance.randrange(-(2**24), 2**24)) for amount in memory]
        used = [amount + chance.randrange(-(2**20), 2**21) for amount in used]
        yield _payload(chance, number, memory, used)


def _payload(chance: random.Random, number: int, memory: list[int], used: list[int]) -> dict[str, Any]:
    guests = [
        a_guest(
            vmid=100 + one,
            name=f"guest-{one:02d}",
            cpu_percent=round(chance.expovariate(0.2), 1),
            mem_bytes=memory[one],
            maxmem_bytes=16 * GIB,
            uptime_seconds=86_400 + number * 10,
        )
        for one in range(GUESTS)
    ]
    pools = [
        a_pool(name=name, alloc_bytes=amount, free_bytes=1000 * GIB - amount, capacity_percent=amount // (10 * GIB))
        for name, amount in zip(("rpool", "tank"), used[:2], strict=True)
    ]
    storages = [
        {"name": f"store-{one}", "type": "zfspool", "used_bytes": amount, "total_bytes": 1000 * GIB, "active": True}
        for one, amount in enumerate(used[2:])
    ]
    payload = a_fast_payload(zfs_pools={"pools": pools}, vms_runtime={"vms": guests}, storage={"storages": storages})
    load = round(chance.expovariate(1), 2)
    payload["host"] |= {"load1": load, "cpu_percent": round(chance.uniform(1, 30), 1), "uptime_seconds": number * 10}
    return payload


def messages(seed: int, start: datetime, samples: int) -> Iterator[bytes]:
    """Give messages with that many samples each, one a millisecond; their payloads repeat after a while."""
    return messages_at(seed, (start + number * MILLISECOND for number in count(1)), samples)


def live_messages(seed: int) -> Iterator[bytes]:
    """Give messages with one sample each, which was collected when it is asked for, however late that is."""
    return messages_at(seed, (datetime.now(UTC) for _ in count()), 1)


def messages_at(seed: int, moments: Iterator[datetime], samples: int) -> Iterator[bytes]:
    """Give messages with that many samples each, collected at these moments."""
    texts = _some(seed)
    number = 0
    while True:
        head = a_message({}, samples=[]).decode().partition('"samples": [')[0]
        wire = []
        for _ in range(samples):
            number += 1
            at = iso(next(moments))
            wire.append(f'{{"tier": "fast", "collected_at": "{at}", "payload": {texts[number % len(texts)][0]}}}')
        yield f'{head}"samples": [{", ".join(wire)}]}}'.encode()


def lines(seed: int, start: datetime, samples: int) -> Iterator[bytes]:
    """Give the same values as line protocol."""
    texts = _some(seed)
    number = 0
    while True:
        body = []
        for _ in range(samples):
            number += 1
            moment = int((start + timedelta(milliseconds=number)).timestamp() * 1000)
            body += [f"{line} {moment}" for line in texts[number % len(texts)][1]]
        yield "\n".join(body).encode()


def line_protocol(host: str, payload: dict[str, Any]) -> list[str]:
    """Return a payload's values as lines without their moment; what hardly ever changes is left out."""
    found = [_line(f"host,host={host}", payload["host"])]
    for measurement, rows, tags in (
        ("zpool", payload["zfs_pools"]["pools"], ("name", "health")),
        ("storage", payload["storage"]["storages"], ("name", "type")),
        ("guest", payload["vms_runtime"]["vms"], ("vmid", "type", "name", "status")),
    ):
        for row in rows:
            named = ",".join(f"{tag}={row[tag]}" for tag in tags)
            found.append(_line(f"{measurement},host={host},{named}", row, tags))
    return found


def _line(head: str, row: dict[str, Any], tags: tuple[str, ...] = ()) -> str:
    fields = [
        f"{name}={value}{'' if isinstance(value, float) else 'i'}"
        for name, value in row.items()
        if name not in tags and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return f"{head} {','.join(fields)}"


def _some(seed: int) -> list[tuple[str, list[str]]]:
    made = payloads(seed)
    chosen = [next(made) for _ in range(200)]
    return [(json.dumps(one), line_protocol(f"host-{seed}", one)) for one in chosen]
