"""The datasets of a simulated host with their snapshots, which are taken each night and rotate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxmon.demo.guests import DemoGuest
from proxmon.demo.layouts import PoolLayout
from proxmon.demo.noise import DAY_SECONDS, between, pick
from proxmon.demo.roles import FORGOTTEN_DAYS, Role, role_of
from proxmon.demo.zpools import MAIN_POOL, Moment, alloc_bytes

SNAPSHOT_SECONDS = 5_700.0  # each night at 01:35
KEPT_DAYS = (7, 14, 21, 28)
Json = dict[str, object]


def dataset_rows(
    index: int, layouts: Sequence[PoolLayout], guests: Sequence[DemoGuest], moment: Moment
) -> Iterator[Json]:
    """Give the datasets of all pools, each pool's own first."""
    for place, layout in enumerate(layouts):
        alloc = alloc_bytes(index, place, layout, moment)
        avail = int((layout.size_bytes - alloc) * _usable_share(layout))
        used = int(alloc * _usable_share(layout))
        yield _row(layout.name, "filesystem", used, avail) | no_snapshots()
        if place == 0:
            yield from _boot_datasets(index, used, avail, moment)
        if place == MAIN_POOL:
            yield from _guest_datasets(index, layout.name, guests, (used, avail), moment)


def snapshot_facts(index: int, dataset: str, moment: Moment, *, is_forgotten: bool = False) -> Json:
    """Return count, newest and oldest of a dataset's snapshots."""
    newest = (moment.now - SNAPSHOT_SECONDS) // DAY_SECONDS * DAY_SECONDS + SNAPSHOT_SECONDS
    count = pick(KEPT_DAYS, "kept", index)
    oldest = newest - (count - 1) * DAY_SECONDS
    forgotten = moment.begins_at - FORGOTTEN_DAYS * DAY_SECONDS
    if is_forgotten and forgotten <= moment.now:
        count, oldest = count + 1, min(oldest, forgotten)
    return {"snapshot_count": count, "newest_snapshot_unix": int(newest), "oldest_snapshot_unix": int(oldest)}


def no_snapshots() -> Json:
    """Return the facts of a dataset without snapshots."""
    return {"snapshot_count": 0, "newest_snapshot_unix": None, "oldest_snapshot_unix": None}


def _usable_share(layout: PoolLayout) -> float:
    """Return which part of the raw size is not parity."""
    group = layout.groups[0]
    parity = int(group.kind[-1]) if group.kind.startswith("raidz") else 0
    return 1 - parity / group.disks


def _boot_datasets(index: int, used: int, avail: int, moment: Moment) -> Iterator[Json]:
    snapshots = snapshot_facts(index, "rpool/ROOT/pve-1", moment)
    yield _row("rpool/ROOT", "filesystem", int(used * 0.7), avail) | no_snapshots()
    yield _row("rpool/ROOT/pve-1", "filesystem", int(used * 0.7), avail) | snapshots
    yield _row("rpool/data", "filesystem", int(used * 0.25), avail) | no_snapshots()


def _guest_datasets(
    index: int, pool: str, guests: Sequence[DemoGuest], room: tuple[int, int], moment: Moment
) -> Iterator[Json]:
    used, avail = room
    weights = [between(1, 8, "weight", index, guest.vmid) * guest.calling.memory_gib for guest in guests]
    is_neglected = role_of(index) is Role.NEGLECTED
    for place, (guest, weight) in enumerate(zip(guests, weights, strict=True)):
        name = f"{pool}/{_volume(guest)}"
        row = _row(name, _kind(guest), int(used * 0.97 * weight / sum(weights)), avail)
        # Every third guest, so that the page shows old snapshots among fresh ones.
        is_forgotten = is_neglected and place % 3 == 0
        yield row | (
            no_snapshots() if guest.is_template else snapshot_facts(index, name, moment, is_forgotten=is_forgotten)
        )


def _kind(guest: DemoGuest) -> str:
    return "filesystem" if guest.calling.type == "lxc" else "volume"


def _volume(guest: DemoGuest) -> str:
    """Return the name that Proxmox gives a guest's first disk."""
    if guest.calling.type == "lxc":
        return f"subvol-{guest.vmid}-disk-0"
    return f"base-{guest.vmid}-disk-0" if guest.is_template else f"vm-{guest.vmid}-disk-0"


def _row(name: str, kind: str, used: int, avail: int) -> Json:
    row: Json = {"name": name, "type": kind, "used_bytes": used, "avail_bytes": avail}
    if kind == "filesystem":
        row["mountpoint"] = "/" if name.endswith("pve-1") else f"/{name}"
    return row
