"""The real collectors against the recorded hypervisor, in each of its moods."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypervisor import Hypervisor

from proxmon.agent.datasets import DatasetsSection
from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs
from proxmon.agent.sections import TierCollector
from proxmon.agent.settings import Settings
from proxmon.agent.tiers import build_tiers

OPENED: list[Machine] = []


def machine_of(hypervisor: Hypervisor) -> Machine:
    machine = Machine(str(hypervisor.root), Programs(hypervisor.path))
    OPENED.append(machine)
    return machine


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().programs.stop_all()


def tiers_of(hypervisor: Hypervisor, **changes: Any) -> dict[str, TierCollector]:
    settings = Settings(**{"server": "", "token": "", "interval": 2.0, "zpool_interval": 0.001, **changes})
    return build_tiers(machine_of(hypervisor), settings)


def fast(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["fast"].gather()


def medium(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["medium"].gather()


def slow(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["slow"].gather()


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
    assert time.monotonic() - started_at < 1.5
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
    assert "incomplete" in tier.gather()["zfs_pools"]
    deadline = time.monotonic() + 15
    while "incomplete" in (section := tier.gather()["zfs_pools"]):
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


def test_guests_come_from_proxmoxs_own_metrics_without_a_program(hypervisor: Hypervisor) -> None:
    vms = {row["vmid"]: row for row in fast(hypervisor)["vms_runtime"]["vms"]}
    assert len(vms) == 6
    assert vms[101]["cpu_percent"] == 12.5
    assert (vms[101]["mem_bytes"], vms[101]["maxmem_bytes"], vms[101]["uptime_seconds"]) == (1 << 30, 2 << 30, 3600)
    assert (vms[100]["tags"], vms[100]["lock"], vms[100]["qmpstatus"]) == (["web", "prod"], "backup", "paused")
    assert (vms[102]["type"], vms[102]["onboot"]) == ("lxc", True)
    assert vms[103]["status"] == "stopped"
    assert hypervisor.calls("pvesh") == []


def test_a_dead_nfs_is_an_inactive_storage(hypervisor: Hypervisor) -> None:
    storages = {row["name"]: row for row in fast(hypervisor)["storage"]["storages"]}
    assert (storages["local"]["used_bytes"], storages["local"]["total_bytes"]) == (250, 1000)
    assert storages["local"]["type"] == "dir"
    assert storages["nas"]["active"] is False
    assert "used_bytes" not in storages["nas"]
    assert "elsewhere" not in storages, "it is configured for another node"


def test_metrics_that_are_not_written_any_more_leave_the_run_states(hypervisor: Hypervisor) -> None:
    hypervisor.write_metrics({}, {}, written_at=time.time() - 1000)
    hypervisor.write("/run/qemu-server/100.pid", "5100\n")
    hypervisor.write("/proc/5100/stat", "")
    payload = fast(hypervisor)
    states = {row["vmid"]: row["status"] for row in payload["vms_runtime"]["vms"]}
    assert (states[100], states[101]) == ("running", "stopped")
    assert "pvestatd has written nothing for" in payload["vms_runtime_detail"]["error"]
    assert "pvestatd" in payload["storage"]["error"]


def test_before_proxmox_8_the_older_list_is_read(hypervisor: Hypervisor) -> None:
    hypervisor.remove("/run/pve/metrics")
    now = int(time.time())
    ids = {"100": {"node": "pve-lab", "type": "qemu"}, "102": {"node": "pve-lab", "type": "lxc"},
           "200": {"node": "other", "type": "qemu"}}  # fmt: skip
    hypervisor.write("/etc/pve/.vmlist", json.dumps({"version": 1, "ids": ids}))
    hypervisor.write(
        "/etc/pve/.rrd",
        f"pve2.3-vm/100:3600:web:running:0:{now}:4:0.5:4096:1024:8192:0:1:2:3:4\n"
        f"pve2.3-vm/102:0:ct:stopped:0:{now}:1:U:512:U:4096:0:U:U:U:U\n"
        f"pve2.3-vm/200:9:far:running:0:{now}:1:0:1:1:1:0:1:1:1:1\n"
        f"pve2-storage/pve-lab/local:{now}:1000:400\npve2-storage/other/local:{now}:1:1\n\0",
    )
    payload = fast(hypervisor)
    vms = {row["vmid"]: row for row in payload["vms_runtime"]["vms"]}
    assert set(vms) == {100, 102}
    assert (vms[100]["status"], vms[100]["cpu_percent"], vms[100]["mem_bytes"]) == ("running", 50.0, 1024)
    assert vms[100]["tags"] == ["a", "b"], "the list has no tags, the configuration has"
    assert (vms[102]["type"], vms[102]["status"]) == ("lxc", "stopped")
    storages = {row["name"]: row for row in payload["storage"]["storages"]}
    assert (storages["local"]["used_bytes"], storages["local"]["type"]) == (400, "dir")
    assert storages["nas"]["active"] is False


def test_pvesh_is_the_last_resort_and_called_once_for_all_guests(hypervisor: Hypervisor) -> None:
    hypervisor.remove("/run/pve/metrics")
    rows = [
        {"type": "qemu", "vmid": 100, "name": "web", "node": "pve-lab", "status": "running", "cpu": 0.25, "mem": 5},
        {"type": "lxc", "vmid": 102, "name": "ct", "node": "other", "status": "running"},
        {"type": "storage", "storage": "local", "node": "pve-lab", "status": "available", "disk": 1, "maxdisk": 2,
         "plugintype": "dir"},
    ]  # fmt: skip
    (hypervisor.folder / "answers/pvesh/out").write_text(json.dumps([*rows, {"node": "other", "type": "node"}]))
    tier = tiers_of(hypervisor)["fast"]
    payload = tier.gather()
    tier.gather()
    assert [row["name"] for row in payload["vms_runtime"]["vms"]] == ["web"]
    assert payload["storage"]["storages"][0]["total_bytes"] == 2
    assert len(hypervisor.calls("pvesh")) == 1


@pytest.mark.parametrize("mood", ["garbage", "empty", "failing"])
def test_a_proxmox_that_tells_nothing_is_an_error(hypervisor: Hypervisor, mood: str) -> None:
    hypervisor.remove("/run/pve/metrics")
    hypervisor.set_mood(mood, "pvesh")
    assert set(fast(hypervisor)["storage"]) == {"error"}


def test_a_container_tells_its_own_addresses(hypervisor: Hypervisor) -> None:
    vms = {row["vmid"]: row for row in medium(hypervisor)["vms_detail"]["vms"]}
    assert vms[102]["ips"] == ["192.0.2.102", "2001:db8::42"]
    assert (vms[102]["ips_source"], vms[102]["macs"]) == ("container", ["bc:24:11:00:00:66"])


def test_addresses_that_nobody_knows_are_left_out(hypervisor: Hypervisor) -> None:
    vms = {row["vmid"]: row for row in medium(hypervisor)["vms_detail"]["vms"]}
    assert "ips" not in vms[100]
    assert vms[100]["macs"] == ["bc:24:11:00:00:64"]
    assert (vms[101]["ips"], vms[101]["ips_source"]) == (["192.0.2.77"], "neighbour")
    assert vms[105]["ips"] == ["192.0.2.105", "2001:db8::42"]


def test_a_container_that_is_stopped_has_its_configured_address(hypervisor: Hypervisor) -> None:
    hypervisor.set_guests(12)
    vms = {row["vmid"]: row for row in medium(hypervisor)["vms_detail"]["vms"]}
    assert (vms[111]["ips"], vms[111]["ips_source"]) == (["198.51.100.111"], "config")


def test_the_newest_backup_of_each_guest_is_known(hypervisor: Hypervisor) -> None:
    rows = {row["vmid"]: row for row in medium(hypervisor)["backups"]["guests"]}
    assert rows[100]["newest_unix"] > 0
    assert "newest_unix" not in rows[101]
    assert rows[101]["failed_unix"] > 0
    moment = time.mktime(time.strptime("2026-11-21 03:00:00", "%Y-%m-%d %H:%M:%S"))
    assert rows[102] == {"type": "lxc", "vmid": 102, "newest_unix": int(moment)}


def test_versions_node_and_cluster_are_facts(hypervisor: Hypervisor) -> None:
    facts = slow(hypervisor)["system_info"]
    assert (facts["pve_version"], facts["zfs_version"], facts["kernel"]) == ("8.4.1", "2.3.2-1", "6.8.12-4-pve")
    assert (facts["node"], facts["cluster"]) == ("pve-lab", "lab")


def test_a_subscription_is_told_without_its_key(hypervisor: Hypervisor) -> None:
    assert slow(hypervisor)["system_info"]["subscription"] == "none"
    told = {"status": "Active", "key": "pve1c-0123456789", "productname": "Proxmox VE Community Subscription"}
    encoded = base64.encodebytes(json.dumps(told).encode()).decode()
    hypervisor.write("/etc/subscription", f"pve1c-0123456789\nchecksum\n{encoded}")
    facts = slow(hypervisor)["system_info"]
    assert facts["subscription"] == "active"
    assert "0123456789" not in json.dumps(facts)


@pytest.mark.parametrize("text", ["", "pve1c-0123456789\n", "key\nsum\n!!\n", "key\nsum\nW10=\n", "key\nsum\ne30=\n"])
def test_a_subscription_that_cannot_be_read_is_unknown(hypervisor: Hypervisor, text: str) -> None:
    hypervisor.write("/etc/subscription", text)
    assert "subscription" not in slow(hypervisor)["system_info"]


def test_without_dpkg_the_slower_pveversion_is_asked(hypervisor: Hypervisor) -> None:
    hypervisor.set_mood("failing", "dpkg-query")
    assert slow(hypervisor)["system_info"]["pve_version"] == "8.2.4"


def test_a_newer_installed_kernel_asks_for_a_restart(hypervisor: Hypervisor) -> None:
    facts = slow(hypervisor)["system_info"]
    assert facts["reboot_required"] is True
    assert facts["reboot_reasons"] == ["kernel 6.8.12-11-pve is installed, 6.8.12-4-pve runs"]
    hypervisor.remove("/boot/vmlinuz-6.8.12-11-pve")
    assert slow(hypervisor)["system_info"]["reboot_required"] is False


def test_updates_come_from_proxmoxs_daily_list_and_security_fixes_from_apt(hypervisor: Hypervisor) -> None:
    facts = slow(hypervisor)["system_info"]
    assert (facts["pending_updates"], facts["security_updates"]) == (3, 1)


def test_a_list_older_than_what_it_was_made_from_is_not_believed(hypervisor: Hypervisor) -> None:
    later = time.time() + 100
    os.utime(hypervisor.root / "var/lib/dpkg/status", (later, later))
    assert slow(hypervisor)["system_info"]["pending_updates"] == 2


def test_updates_that_nobody_knows_are_left_out(hypervisor: Hypervisor) -> None:
    hypervisor.remove("/var/lib/pve-manager/pkgupdates", "/var/lib/apt/lists/deb.example_Packages")
    facts = slow(hypervisor)["system_info"]
    assert "pending_updates" not in facts
    assert "security_updates" not in facts


def test_apt_is_asked_again_only_after_something_changed(hypervisor: Hypervisor) -> None:
    tier = tiers_of(hypervisor)["slow"]
    tier.gather()
    tier.gather()
    assert len(hypervisor.calls("apt-get")) == 1


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
