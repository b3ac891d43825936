"""What is collected of versions, updates and the subscription."""

from __future__ import annotations

import base64
import json
import os
import time

import pytest
from collected import slow, tiers_of
from hypervisor import Hypervisor


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
