"""The real collectors against the recorded hypervisor, in each of its moods."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from collected import fast, machine_of, medium, tiers_of
from hypervisor import Hypervisor

from proxmon.agent.datasets import DatasetsSection
from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs
from proxmon.agent.settings import Settings
from proxmon.agent.tiers import build_tiers


def test_the_host_section_says_what_proc_says(hypervisor: Hypervisor) -> None:
    host = fast(hypervisor)["host"]
    assert (host["load1"], host["load5"], host["load15"]) == (0.5, 0.4, 0.3)
    assert host["mem_total_bytes"] == 16_000_000 * 1024
    assert host["mem_used_bytes"] == 10_000_000 * 1024
    assert host["swap_used_bytes"] == 500_000 * 1024
    assert host["arc_bytes"] == 2 << 30
    assert host["uptime_seconds"] == 86400
    assert host["cpu_count"] == 1


def test_cpu_percent_covers_the_time_between_two_samples(hypervisor: Hypervisor) -> None:
    tier = tiers_of(hypervisor)["fast"]
    tier.gather()
    # 100 more ticks: 30 user, 10 system, 50 idle, 10 waiting for disks.
    hypervisor.write("/proc/stat", "cpu  1030 0 510 8050 110 0 0 0 0 0\n")
    host = tier.gather()["host"]
    assert (host["cpu_percent"], host["iowait_percent"]) == (40.0, 10.0)


def test_a_pool_has_its_sizes_its_tree_and_its_last_scrub(hypervisor: Hypervisor) -> None:
    [pool] = fast(hypervisor)["zfs_pools"]["pools"]
    assert (pool["name"], pool["health"], pool["capacity_percent"]) == ("rpool", "ONLINE", 15)
    assert pool["size_bytes"] == pool["alloc_bytes"] + pool["free_bytes"]
    assert pool["fragmentation_percent"] == 5
    assert [vdev["kind"] for vdev in pool["vdevs"]] == ["mirror"]
    assert pool["last_scrub_end"].endswith(("Z", "+00:00"))


def test_json_is_asked_for_where_this_zfs_has_it(hypervisor: Hypervisor) -> None:
    fast(hypervisor)
    assert "status -j --json-int" in hypervisor.calls("zpool")


def test_text_is_asked_for_before_zfs_2_3(tmp_path: Path) -> None:
    hypervisor = Hypervisor(tmp_path / "old", zfs="2.1")
    [pool] = fast(hypervisor)["zfs_pools"]["pools"]
    assert pool["health"] == "ONLINE"
    assert [call for call in hypervisor.calls("zpool") if "status" in call] == ["status -p"]


def test_programs_older_than_the_module_are_asked_for_text(hypervisor: Hypervisor) -> None:
    (hypervisor.folder / "answers/zpool/status-json").unlink()
    [pool] = fast(hypervisor)["zfs_pools"]["pools"]
    assert pool["vdevs"]


def test_a_degraded_pool_is_degraded(hypervisor: Hypervisor) -> None:
    hypervisor.set_pools("degraded")
    [pool] = fast(hypervisor)["zfs_pools"]["pools"]
    assert pool["health"] == "DEGRADED"
    assert pool["degraded_vdev_count"] > 0
    assert pool["redundancy_left"] == 0


def test_zpool_is_asked_again_when_the_kernel_tells_another_state(hypervisor: Hypervisor) -> None:
    tier = tiers_of(hypervisor, zpool_interval=3600)["fast"]
    tier.gather()
    tier.gather()
    assert len(hypervisor.calls("zpool")) == 2, "list and status, once each"
    hypervisor.set_pools("degraded")
    assert tier.gather()["zfs_pools"]["pools"][0]["health"] == "DEGRADED"


@pytest.mark.parametrize("mood", ["hanging", "stubborn"])
def test_a_hanging_zpool_leaves_the_kernels_word_and_delays_nothing_else(hypervisor: Hypervisor, mood: str) -> None:
    hypervisor.set_mood(mood, "zpool")
    hypervisor.set_kernel_state("rpool", "SUSPENDED")
    tiers = tiers_of(hypervisor)
    started_at = time.monotonic()
    payload = tiers["fast"].gather()
    assert time.monotonic() - started_at < 10
    assert payload["zfs_pools"]["pools"] == [{"name": "rpool", "health": "SUSPENDED"}]
    assert "only the kernel's pool states are known" in payload["zfs_pools_detail"]["error"]
    assert payload["host"]["load1"] == 0.5
    assert payload["vms_runtime"]["vms"]


def test_a_hanging_zpool_is_not_started_a_second_time(hypervisor: Hypervisor) -> None:
    hypervisor.set_mood("hanging", "zpool")
    tier = tiers_of(hypervisor, interval=1.0)["fast"]
    tier.gather()
    tier.gather()
    assert len(hypervisor.calls("zpool")) == 1


def test_a_slow_zpool_is_told_one_sample_late_instead_of_never(hypervisor: Hypervisor) -> None:
    hypervisor.set_mood("slow", "zpool")
    tier = tiers_of(hypervisor, interval=1.0)["fast"]
    assert {"incomplete", "error"} & set(tier.gather()["zfs_pools"])
    deadline = time.monotonic() + 60
    while {"incomplete", "error"} & set(section := tier.gather()["zfs_pools"]):
        assert time.monotonic() < deadline
    assert section["pools"][0]["vdevs"]
    assert len(hypervisor.calls("zpool")) == 2, "list and status, once each"


def test_snapshots_that_are_slow_to_list_keep_their_last_counts(hypervisor: Hypervisor) -> None:
    section = DatasetsSection(machine_of(hypervisor), 10.0)
    before = section.collect()
    section._next_list_at = 0.0
    section._snapshot_wait_seconds = 0.0
    hypervisor.set_mood("slow", "zfs")
    assert section.collect() == before


def test_a_pool_of_a_zfs_that_tells_no_states_is_asked_for_with_zpool(hypervisor: Hypervisor) -> None:
    hypervisor.remove("/proc/spl/kstat/zfs/rpool/state")
    hypervisor.write("/proc/spl/kstat/zfs/rpool/io", "")
    [pool] = fast(hypervisor)["zfs_pools"]["pools"]
    assert pool["vdevs"]


@pytest.mark.parametrize("mood", ["garbage", "empty", "failing", "flooding"])
def test_what_zpool_cannot_mean_is_an_error_and_never_no_pools(hypervisor: Hypervisor, mood: str) -> None:
    hypervisor.set_mood(mood, "zpool")
    hypervisor.remove("/proc/spl/kstat/zfs/rpool/state", "/proc/spl/kstat/zfs/arcstats")
    for folder in ("rpool", "."):
        (hypervisor.root / "proc/spl/kstat/zfs" / folder).rmdir()
    section = fast(hypervisor)["zfs_pools"]
    assert set(section) == {"error"}, section
    assert "zpool" in section["error"]


def test_a_pool_that_only_the_kernel_knows_is_not_lost(hypervisor: Hypervisor) -> None:
    hypervisor.set_kernel_state("tank", "FAULTED")
    pools = fast(hypervisor)["zfs_pools"]["pools"]
    assert {"name": "tank", "health": "FAULTED"} in pools


def test_pools_without_a_zpool_program_are_known_to_be_incomplete(hypervisor: Hypervisor) -> None:
    hypervisor.remove("zpool")
    payload = tiers_of(hypervisor)["fast"].gather()
    assert payload["zfs_pools"]["pools"] == [{"name": "rpool", "health": "ONLINE"}]
    assert "zpool is not installed" in payload["zfs_pools_detail"]["error"]


def test_a_machine_without_zfs_and_proxmox_says_that_there_is_none(tmp_path: Path) -> None:
    plain = Machine(str(tmp_path), Programs(str(tmp_path)))
    tiers = build_tiers(plain, Settings(server="", token=""))
    payload = tiers["fast"].gather()
    assert payload["zfs_pools"] == {"pools": []}
    assert payload["storage"] == {"storages": []}
    assert payload["vms_runtime"] == {"vms": []}
    assert "loadavg" in payload["host"]["error"]
    assert tiers["medium"].gather()["zfs_datasets"] == {"datasets": []}


def test_datasets_carry_their_snapshots(hypervisor: Hypervisor) -> None:
    hypervisor.set_datasets(["rpool", "rpool/data"])
    hypervisor.set_snapshots(["rpool/data@b\t2000000200", "rpool/data@a\t2000000100", "rpool/data@c\t2000000300"])
    section = medium(hypervisor)["zfs_datasets"]
    assert [row["snapshot_count"] for row in section["datasets"]] == [0, 3]
    data = section["datasets"][1]
    assert (data["oldest_snapshot_unix"], data["newest_snapshot_unix"]) == (2000000100, 2000000300)
    assert (data["used_bytes"], data["avail_bytes"], data["snapshot_bytes"]) == (1048576, 1073741824, 4096)
    assert section["snapshots_at"].endswith("Z")


def test_old_zfs_is_asked_for_creation_dates_directly(tmp_path: Path) -> None:
    hypervisor = Hypervisor(tmp_path / "old", zfs="2.1")
    rows = {row["name"]: row for row in medium(hypervisor)["zfs_datasets"]["datasets"]}
    assert rows["rpool/ROOT/pve-1"]["snapshot_count"] == 1
    assert rows["rpool/ROOT/pve-1"]["newest_snapshot_unix"] == 1795382543
    assert not any(call.startswith("get") for call in hypervisor.calls("zfs"))


def test_dates_of_snapshots_that_were_seen_are_not_asked_again(hypervisor: Hypervisor) -> None:
    tier = tiers_of(hypervisor)["medium"]
    tier.gather()
    first = dated(hypervisor)
    assert first
    tier.gather()
    assert dated(hypervisor) == first


def dated(hypervisor: Hypervisor) -> list[str]:
    return [call for call in hypervisor.calls("zfs") if call.startswith("get")]


def test_fifty_thousand_snapshots_are_counted_without_keeping_them(hypervisor: Hypervisor) -> None:
    names = [f"rpool/d{index}" for index in range(50)]
    hypervisor.set_datasets(["rpool", *names])
    hypervisor.set_snapshots([f"{name}@s{i}\t{1_700_000_000 + i}" for name in names for i in range(1000)])
    section = medium(hypervisor)["zfs_datasets"]
    assert sum(row["snapshot_count"] for row in section["datasets"]) == 50_000
    assert section["datasets"][1]["newest_snapshot_unix"] == 1_700_000_999


def test_datasets_of_a_suspended_pool_are_unknown_and_not_gone(hypervisor: Hypervisor) -> None:
    hypervisor.set_kernel_state("sus", "SUSPENDED")
    section = medium(hypervisor)["zfs_datasets"]
    assert section["unknown_pools"] == ["sus"]
    assert {row["name"].split("/")[0] for row in section["datasets"]} == {"rpool"}


def test_a_healthy_pool_whose_root_is_not_listed_is_unknown_too(hypervisor: Hypervisor) -> None:
    hypervisor.set_datasets(["other"])
    assert medium(hypervisor)["zfs_datasets"]["unknown_pools"] == ["rpool"]


@pytest.mark.parametrize("mood", ["garbage", "failing"])
def test_a_zfs_that_fails_is_an_error(hypervisor: Hypervisor, mood: str) -> None:
    hypervisor.set_mood(mood, "zfs")
    assert set(medium(hypervisor)["zfs_datasets"]) == {"error"}


def test_quotas_are_told_where_there_are_any(hypervisor: Hypervisor) -> None:
    rows = "rpool\tfilesystem\t9\t99\t1\t2\t0\t0\t/rpool\nrpool/a\tfilesystem\t9\t99\t1\t2\t500\t300\t/a\n"
    rows += "rpool/v\tvolume\t9\t99\t1\t2\t-\t-\t-\n"
    (hypervisor.folder / "answers/zfs/list").write_text(rows)
    root, limited, volume = medium(hypervisor)["zfs_datasets"]["datasets"]
    assert (limited["quota_bytes"], limited["refquota_bytes"], limited["snapshot_bytes"]) == (500, 300, 2)
    assert not {"quota_bytes", "refquota_bytes"} & (root.keys() | volume.keys())
    assert (volume["type"], volume["mountpoint"]) == ("volume", None)


def test_no_program_changes_anything(hypervisor: Hypervisor) -> None:
    for tier in tiers_of(hypervisor).values():
        tier.gather()
    words = {call.split()[0] for program in ("zpool", "zfs", "pvesh") for call in hypervisor.calls(program)}
    assert words <= {"list", "status", "get"}
    assert all("-s" in call.split() for call in hypervisor.calls("apt-get"))
