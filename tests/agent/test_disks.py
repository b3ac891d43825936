"""Disks with their temperature and SMART verdict, from whoever may tell them, without waking any."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypervisor import Hypervisor

from proxmon.agent.disks import DisksSection
from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs
from proxmon.agent.smart import parse_smartctl, parse_smartd_state

SATA = {
    "smartctl": {"exit_status": 0},
    "smart_status": {"passed": True},
    "temperature": {"current": 41},
    "power_on_time": {"hours": 20123, "minutes": 7},
    "ata_smart_attributes": {
        "table": [
            {"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"value": 8, "string": "8"}},
            {"id": 9, "name": "Power_On_Hours", "raw": {"value": 9999999999, "string": "20123h+07m"}},
            {"id": 197, "name": "Current_Pending_Sector", "raw": {"value": 2, "string": "2"}},
            {"id": 198, "name": "Offline_Uncorrectable", "raw": {"value": 0, "string": "0"}},
        ]
    },
}
NVME = {
    "smart_status": {"passed": False, "nvme": {"value": 4}},
    "temperature": {"current": 55},
    "nvme_smart_health_information_log": {"percentage_used": 97, "media_errors": 3, "critical_warning": 4},
}
ASLEEP = {
    "smartctl": {
        "exit_status": 2,
        "messages": [{"string": "Device is in STANDBY mode, exit(2)", "severity": "information"}],
    }
}
STATE = """\
# smartd state file
temperature-min = 21
temperature-max = 47
mail.10.count = 1
ata-error-count = 6
ata-smart-attribute.0.id = 5
ata-smart-attribute.0.val = 200
ata-smart-attribute.0.raw = 24
ata-smart-attribute.1.id = 9
ata-smart-attribute.1.raw = 140737488361551
ata-smart-attribute.2.id = 194
ata-smart-attribute.2.raw = 188979478570
ata-smart-attribute.3.id = 197
ata-smart-attribute.3.val = 200
"""


def disks(hypervisor: Hypervisor) -> dict[str, dict[str, Any]]:
    machine = Machine(str(hypervisor.root), Programs(hypervisor.path))
    return {disk["name"]: disk for disk in DisksSection(machine).collect()["disks"]}


def test_a_disk_is_named_with_model_serial_and_size(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "WD-1")
    for virtual in ("loop0", "zd16", "dm-0", "md0", "zram0", "sr0"):
        hypervisor.add_disk(virtual, "none")
    assert disks(hypervisor) == {
        "sda": {
            "name": "sda",
            "model": "WDC WD40EFRX-68N",
            "serial": "WD-1",
            "size_bytes": 4000787030016,
            "rotational": True,
        }
    }


def test_the_kernels_sensors_tell_temperatures(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "WD-1", hwmon__hwmon3__temp1_input="38000\n")
    hypervisor.add_disk("nvme0n1", "S1", hwmon1__temp1_input="-3850\n")
    found = disks(hypervisor)
    assert (found["sda"]["temperature_celsius"], found["nvme0n1"]["temperature_celsius"]) == (38.0, -3.85)


def test_smartctl_is_asked_without_waking_the_disk_where_it_may_be_opened(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "WD-1")
    hypervisor.write("/dev/sda", "")
    (hypervisor.folder / "answers/smartctl/out").write_text(json.dumps(SATA))
    found = disks(hypervisor)["sda"]
    assert (found["smart_passed"], found["temperature_celsius"], found["power_on_hours"]) == (True, 41, 20123)
    assert (found["reallocated_sectors"], found["pending_sectors"], found["uncorrectable_sectors"]) == (8, 2, 0)
    [call] = hypervisor.calls("smartctl")
    assert call.startswith("-n standby -j ")


def test_a_disk_that_sleeps_is_left_asleep(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "WD-1", power__runtime_status="suspended\n", hwmon__hwmon3__temp1_input="38000\n")
    hypervisor.write("/dev/sda", "")
    found = disks(hypervisor)["sda"]
    assert found["standby"] is True
    assert "temperature_celsius" not in found
    assert hypervisor.calls("smartctl") == []


@pytest.mark.parametrize("mood", ["hanging", "garbage", "empty", "failing"])
def test_a_smartctl_that_gives_no_answer_leaves_the_disk(
    hypervisor: Hypervisor, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxmon.agent.disks.SMARTCTL_SECONDS", 0.3)
    hypervisor.set_mood(mood, "smartctl")
    hypervisor.add_disk("sda", "WD-1")
    hypervisor.write("/dev/sda", "")
    assert disks(hypervisor)["sda"]["serial"] == "WD-1"


def test_without_rights_to_the_disk_smartd_tells_what_it_saw_last(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "WD-WCC 1")
    hypervisor.add_disk("sdb", "WD-WCC")
    hypervisor.write("/var/lib/smartmontools/smartd.WDC_WD40EFRX_68N-WD_WCC_1.ata.state", STATE)
    found = disks(hypervisor)
    assert (found["sda"]["reallocated_sectors"], found["sda"]["temperature_celsius"]) == (24, 42)
    assert (found["sda"]["smart_source"], found["sda"]["smart_at"][-1]) == ("smartd", "Z")
    assert "smart_source" not in found["sdb"], "a serial number is compared as a whole"
    assert hypervisor.calls("smartctl") == []


def test_a_temperature_of_yesterday_is_none(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "X1")
    path = hypervisor.write("/var/lib/smartmontools/smartd.M-X1.ata.state", STATE)
    os.utime(path, (1e9, 1e9))
    found = disks(hypervisor)["sda"]
    assert "temperature_celsius" not in found
    assert found["reallocated_sectors"] == 24


def test_a_serial_number_may_stand_in_the_page_of_scsi(hypervisor: Hypervisor) -> None:
    hypervisor.add_disk("sda", "")
    (hypervisor.root / "sys/block/sda/device/vpd_pg80").write_bytes(b"\0\x80\0\x08  Z1D0  \0")
    assert disks(hypervisor)["sda"]["serial"] == "Z1D0"


def test_an_nvme_tells_wear_and_media_errors() -> None:
    facts = parse_smartctl(json.dumps(NVME))
    assert (facts["smart_passed"], facts["wear_percent"], facts["media_errors"]) == (False, 97, 3)


def test_smartctl_says_that_a_disk_sleeps() -> None:
    assert parse_smartctl(json.dumps(ASLEEP)) == {"standby": True, "smart_source": "smartctl"}


ODD = '{"smart_status": 1, "temperature": [], "ata_smart_attributes": {"table": [1, {}]}}'


@pytest.mark.parametrize("text", ["", "no", "[]", "null", ODD])
def test_other_answers_of_smartctl_say_nothing_of_the_disk(text: str) -> None:
    assert set(parse_smartctl(text)) <= {"smart_source"}


def test_a_state_of_smartd_leaves_out_what_is_zero() -> None:
    assert parse_smartd_state(STATE) == {
        "ata_errors": 6,
        "reallocated_sectors": 24,
        "power_on_hours": 6223,
        "pending_sectors": 0,
        "temperature_celsius": 42,
    }
    assert parse_smartd_state("mail.1.count = 2\n")["smart_passed"] is False
    assert parse_smartd_state("nonsense\n\0\n") == {}
