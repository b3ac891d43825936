"""What is collected of guests and storages, from the best source that the hypervisor has."""

from __future__ import annotations

import json
import time

import pytest
from collected import fast, medium, tiers_of
from hypervisor import Hypervisor


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
