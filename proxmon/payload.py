"""The typed form of a sample's payload, as an agent sends it.

Every key but those that name a thing may be missing or null, and is then unknown. Unknown keys are ignored here and
kept in the stored sample. A value of the wrong type is an error that names the key. Nothing here can refer to itself,
so the garbage collector need not look at it (``gc=False``).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import force_setattr

from proxmon.limits import (
    REASON_CHARACTERS,
    Amount,
    Count,
    Few,
    Many,
    Name,
    Path,
    Share,
    Unix,
    VeryMany,
    Whole,
    Word,
)


class Tier(StrEnum):
    """How often a sample of this kind is taken."""

    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


class Section(Struct, frozen=True, kw_only=True, gc=False):
    """One part of a payload; ``error`` says why it could not be collected, ``incomplete`` what is missing in it.

    What is longer than REASON_CHARACTERS is cut, and whole in the stored sample.
    """

    error: str | None = None
    incomplete: str | None = None

    def __post_init__(self) -> None:
        for name, reason in (("error", self.error), ("incomplete", self.incomplete)):
            if reason is not None and len(reason) > REASON_CHARACTERS:
                force_setattr(self, name, f"{reason[: REASON_CHARACTERS - 1]}…")


class HostSection(Section, frozen=True, kw_only=True, gc=False):
    """Load and memory of the host (``/proc``)."""

    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    cpu_percent: float | None = None
    mem_used_bytes: Amount | None = None
    mem_total_bytes: Amount | None = None
    arc_bytes: Amount | None = None
    uptime_seconds: Amount | None = None
    cpu_count: Count | None = None


class Vdev(Struct, frozen=True, kw_only=True, gc=False):
    """A row of the tree that ``zpool status`` prints below the pool's own row."""

    name: Path
    kind: Word | None = None
    vdev_class: Word | None = field(name="class", default=None)
    state: Word | None = None
    read_errors: Count | None = None
    write_errors: Count | None = None
    checksum_errors: Count | None = None
    was: Path | None = None
    children: Few[Vdev] | None = None


class Scan(Struct, frozen=True, kw_only=True, gc=False):
    """The last scrub or resilver of a pool; ``state`` is scanning, paused, finished or canceled.

    ``start_at`` is told while it runs or is paused, ``duration_seconds`` (pauses included) once it has finished.
    """

    function: Word | None = None
    state: Word | None = None
    percent: float | None = None
    errors: Count | None = None
    start_at: Word | None = None
    end_at: Word | None = None
    duration_seconds: Amount | None = None


class Pool(Struct, frozen=True, kw_only=True, gc=False):
    """A zpool; ``health`` in the source's own spelling."""

    name: Name
    health: Word | None = None
    capacity_percent: Share | None = None
    fragmentation_percent: float | None = None
    size_bytes: Amount | None = None
    alloc_bytes: Amount | None = None
    free_bytes: Amount | None = None
    error_count: Count | None = None
    data_error_count: Count | None = None
    vdev_count: Count | None = None
    degraded_vdev_count: Count | None = None
    redundancy_left: Whole | None = None
    last_scrub_end: Word | None = None
    scan: Scan | None = None
    rebuilds: Few[Scan] | None = None
    vdevs: Few[Vdev] | None = None


class PoolsSection(Section, frozen=True, kw_only=True, gc=False):
    """All zpools of the host."""

    pools: Few[Pool] | None = None


class Storage(Struct, frozen=True, kw_only=True, gc=False):
    """A Proxmox storage."""

    name: Name
    type: Word | None = None
    used_bytes: Amount | None = None
    total_bytes: Amount | None = None
    active: bool | None = None


class StoragesSection(Section, frozen=True, kw_only=True, gc=False):
    """All Proxmox storages of the host."""

    storages: Few[Storage] | None = None


class GuestRuntime(Struct, frozen=True, kw_only=True, gc=False):
    """What a guest does now; ``status`` is the wire's name for the run state."""

    vmid: Count
    name: Name | None = None
    type: Word | None = None
    status: Word | None = None
    cpu_percent: float | None = None
    mem_bytes: Amount | None = None
    maxmem_bytes: Amount | None = None
    uptime_seconds: Amount | None = None
    tags: Few[Word] | None = None
    lock: Word | None = None
    template: bool | None = None
    onboot: bool | None = None


class GuestsSection(Section, frozen=True, kw_only=True, gc=False):
    """All guests of the host, running or not."""

    vms: Many[GuestRuntime] | None = None


class FastPayload(Struct, frozen=True, kw_only=True, gc=False):
    """What a fast sample says."""

    host: HostSection | None = None
    zfs_pools: PoolsSection | None = None
    storage: StoragesSection | None = None
    vms_runtime: GuestsSection | None = None
    agent: Section | None = None


class Dataset(Struct, frozen=True, kw_only=True, gc=False):
    """A ZFS dataset or zvol with what is known of its snapshots."""

    name: Name
    used_bytes: Amount | None = None
    avail_bytes: Amount | None = None
    snapshot_count: Count | None = None
    newest_snapshot_unix: Unix | None = None
    oldest_snapshot_unix: Unix | None = None
    snapshot_bytes: Amount | None = None
    quota_bytes: Amount | None = None
    refquota_bytes: Amount | None = None


class DatasetsSection(Section, frozen=True, kw_only=True, gc=False):
    """All datasets; those of ``unknown_pools`` could not be listed and say nothing about being gone."""

    datasets: VeryMany[Dataset] | None = None
    unknown_pools: Few[Name] | None = None


class GuestDetail(Struct, frozen=True, kw_only=True, gc=False):
    """A guest's addresses; a missing ``ips`` is unknown, an empty one is none."""

    vmid: Count
    type: Word | None = None
    name: Name | None = None
    ips: Few[Word] | None = None
    macs: Few[Word] | None = None


class GuestDetailsSection(Section, frozen=True, kw_only=True, gc=False):
    """The addresses of all guests."""

    vms: Many[GuestDetail] | None = None


class GuestBackup(Struct, frozen=True, kw_only=True, gc=False):
    """When a guest was last saved; ``failed_unix`` when the last run failed."""

    vmid: Count
    type: Word | None = None
    newest_unix: Unix | None = None
    failed_unix: Unix | None = None


class BackupsSection(Section, frozen=True, kw_only=True, gc=False):
    """The newest backup of each guest that has one."""

    guests: Many[GuestBackup] | None = None


class MediumPayload(Struct, frozen=True, kw_only=True, gc=False):
    """What a medium sample says."""

    zfs_datasets: DatasetsSection | None = None
    vms_detail: GuestDetailsSection | None = None
    backups: BackupsSection | None = None


class Certificate(Struct, frozen=True, kw_only=True, gc=False):
    """A certificate of the host's own pages and API."""

    path: Name | None = None
    ends_at: Word | None = None


class SystemSection(Section, frozen=True, kw_only=True, gc=False):
    """Versions and pending work of the host."""

    pve_version: Word | None = None
    zfs_version: Word | None = None
    kernel: Word | None = None
    pending_updates: Count | None = None
    reboot_required: bool | None = None
    subscription: Word | None = None
    security_updates: Count | None = None
    node: Name | None = None
    cluster: Name | None = None
    certificates: Few[Certificate] | None = None


class Disk(Struct, frozen=True, kw_only=True, gc=False):
    """A physical disk with what its sensor and SMART say, as far as somebody may ask it."""

    name: Name
    model: Name | None = None
    serial: Word | None = None
    size_bytes: Amount | None = None
    temperature_celsius: float | None = None
    smart_passed: bool | None = None
    reallocated_sectors: Count | None = None
    pending_sectors: Count | None = None
    uncorrectable_sectors: Count | None = None
    media_errors: Count | None = None
    wear_percent: float | None = None
    standby: bool | None = None


class DisksSection(Section, frozen=True, kw_only=True, gc=False):
    """All physical disks of the host."""

    disks: Few[Disk] | None = None


class SlowPayload(Struct, frozen=True, kw_only=True, gc=False):
    """What a slow sample says."""

    system_info: SystemSection | None = None
    disks: DisksSection | None = None


Payload = FastPayload | MediumPayload | SlowPayload
PAYLOAD_TYPES: dict[Tier, type[FastPayload] | type[MediumPayload] | type[SlowPayload]] = {
    Tier.FAST: FastPayload,
    Tier.MEDIUM: MediumPayload,
    Tier.SLOW: SlowPayload,
}


def list_sections(payload: Payload) -> list[tuple[str, Section]]:
    """List the sections of a payload that we know, by name; those that it does not have are left out."""
    names = type(payload).__struct_fields__
    found = [(name, getattr(payload, name)) for name in names]
    return [(name, section) for name, section in found if section is not None]
