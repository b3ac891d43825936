"""How the pools of a simulated host are built: which disks, in which groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from proxmon.demo.noise import pick, unit

TB = 10**12
SERIAL_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Group:
    """Disks that stand together in the tree; ``kind`` is disk where each stands for itself."""

    kind: str
    vdev_class: str
    disks: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A model of disk and its size in bytes."""

    model: str
    size: int


@dataclass(frozen=True, slots=True)
class PoolLayout:
    """A pool as its administrator planned it."""

    name: str
    disk: Disk
    groups: tuple[Group, ...]

    @property
    def size_bytes(self) -> int:
        """Return the size as ``zpool list`` counts it: a mirror once, a raidz with its parity."""
        counted = [1 if group.kind == "mirror" else group.disks for group in self.groups if group.vdev_class == "data"]
        return int(sum(counted) * self.disk.size * 0.97)  # what labels and slop leave


BOOT_DISKS = (Disk("nvme-SAMSUNG_MZVL2512HCJQ-00B00", TB // 2), Disk("ata-INTEL_SSDSC2KB960G8", TB * 96 // 100))
HARD_DISKS = (
    Disk("ata-ST16000NM001G-2KK103", 16 * TB),
    Disk("ata-WDC_WUH721414ALE6L4", 14 * TB),
    Disk("ata-TOSHIBA_MG08ACA16TE", 16 * TB),
    Disk("ata-WDC_WD40EFRX-68N32N0", 4 * TB),
)
FLASH_DISKS = (
    Disk("nvme-SAMSUNG_MZQL23T8HCLS-00A07", TB * 384 // 100),
    Disk("nvme-Micron_7450_MTFDKCC1T9TFR", TB * 192 // 100),
    Disk("ata-SAMSUNG_MZ7L33T8HBLT-00A07", TB * 384 // 100),
)
MIRROR = Group("mirror", "data", 2)
LOG_MIRROR = Group("mirror", "log", 2)
LOG = Group("disk", "log", 1)
CACHE = Group("disk", "cache", 1)
SPARE = Group("disk", "spare", 1)
SPECIAL = Group("mirror", "special", 2)
HARD_LAYOUTS = (
    ("tank", (Group("raidz2", "data", 6), SPECIAL, SPARE)),
    ("tank", (MIRROR, MIRROR, MIRROR, LOG_MIRROR, CACHE)),
    ("vault", (Group("raidz2", "data", 8), Group("raidz2", "data", 8), LOG, CACHE, SPARE)),
    ("data", (MIRROR, MIRROR)),
)
FLASH_LAYOUTS = (
    ("flash", (Group("raidz1", "data", 4),)),
    ("ssd", (MIRROR, MIRROR, MIRROR)),
    ("fast", (Group("mirror", "data", 3),)),
)
BACKUP_LAYOUT = ("backup", (Group("raidz3", "data", 11), SPECIAL, SPARE))


def make_layouts(index: int, host_name: str) -> tuple[PoolLayout, ...]:
    """Return the pools of a host: the one it starts from, one for its guests, on some a fast one."""
    boot = PoolLayout("rpool", pick(BOOT_DISKS, "boot", index), (MIRROR,))
    name, groups = BACKUP_LAYOUT if "backup" in host_name else HARD_LAYOUTS[index % len(HARD_LAYOUTS)]
    main = PoolLayout(name, pick(HARD_DISKS, "disk", index), groups)
    if unit("flash", index) < 0.3:
        name, groups = pick(FLASH_LAYOUTS, "flash layout", index)
        return boot, main, PoolLayout(name, pick(FLASH_DISKS, "flash disk", index), groups)
    return boot, main


def disk_name(index: int, layout: PoolLayout, group: int, place: int, generation: int = 0) -> str:
    """Return a disk's name under /dev/disk/by-id; each replacement has a serial number of its own."""
    is_flash = layout.groups[group].vdev_class in ("log", "cache", "special")
    model = FLASH_DISKS[0].model if is_flash else layout.disk.model
    return f"{model}_{_serial(index, layout.name, group, place, generation)}"


@lru_cache(maxsize=1 << 14)
def _serial(*key: object) -> str:
    number = int(unit("serial", *key) * 2**40)
    return "".join(_digits(number))


def _digits(number: int) -> Iterator[str]:
    for _ in range(8):
        number, digit = divmod(number, len(SERIAL_LETTERS))
        yield SERIAL_LETTERS[digit]
