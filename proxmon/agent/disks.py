"""Collects the section `disks`: each disk with its temperature and its SMART verdict, as far as they can be had.

Nothing here may wake a disk that sleeps. Temperatures come from the kernel's sensors (hwmon of nvme and drivetemp),
SMART from what `smartd` last wrote, which Proxmox VE runs anyway, and from `smartctl` where the agent may open disks,
which the installed service does not: it has no rights to them.
"""

from __future__ import annotations

import os
import re
from typing import Any

from . import smart
from .machine import Machine
from .message import iso_utc
from .programs import ProgramError
from .sections import Section

SMARTCTL_SECONDS = 10.0
SMARTD_FOLDER = "/var/lib/smartmontools"
STALE_SECONDS = 7200.0  # smartd looks every half hour, and writes when something changed
SECTOR_BYTES = 512  # of /sys/block/…/size, whatever the disk's own sectors are

_PHYSICAL = re.compile(r"(?:sd[a-z]+|hd[a-z]+|nvme\d+n\d+|vd[a-z]+|mmcblk\d+)")
Disk = dict[str, Any]


class DisksSection:
    """Collects the physical disks."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def collect(self) -> Section:
        """Return the section."""
        names = [name for name in self._machine.list_folder("/sys/block") if _PHYSICAL.fullmatch(name)]
        return {"disks": [self._disk(name) for name in names if self._machine.exists(f"/sys/block/{name}/device")]}

    def _disk(self, name: str) -> Disk:
        base = f"/sys/block/{name}"
        sectors = self._line(f"{base}/size")
        facts: Disk = {
            "name": name,
            "model": self._line(f"{base}/device/model"),
            "serial": self._line(f"{base}/device/serial") or self._scsi_serial(name),
            "size_bytes": int(sectors) * SECTOR_BYTES if sectors and sectors.isdigit() else None,
            "rotational": {"0": False, "1": True}.get(self._line(f"{base}/queue/rotational") or ""),
        }
        if self._line(f"{base}/device/power/runtime_status") == "suspended":
            facts["standby"] = True
        else:
            facts.update(self._smart(name, facts["serial"]))
            sensor = self._temperature(f"{base}/device")
            if sensor is not None:
                facts["temperature_celsius"] = sensor
        return {key: value for key, value in facts.items() if value is not None}

    def _smart(self, name: str, serial: str | None) -> Disk:
        """Return what smartctl says, where the disk may be opened, else what smartd wrote of this serial number."""
        device = self._machine.path(f"/dev/{name}")
        if os.access(device, os.R_OK | os.W_OK) and self._machine.programs.find("smartctl"):
            argv = ("smartctl", "-n", "standby", "-j", "-i", "-H", "-A", device)
            try:
                return smart.parse_smartctl(self._machine.programs.run(argv, SMARTCTL_SECONDS).stdout)
            except ProgramError:
                pass
        return self._smartd(serial) if serial else {}

    def _smartd(self, serial: str) -> Disk:
        ending = re.compile(rf"smartd\..*-{re.escape(smart.file_serial(serial))}\.\w+\.state")
        for file_name in self._machine.list_folder(SMARTD_FOLDER):
            path = f"{SMARTD_FOLDER}/{file_name}"
            written_at = self._machine.modified_at(path)
            text = self._machine.find_text(path, 64 << 10) if ending.fullmatch(file_name) else None
            if text is not None and written_at is not None:
                facts = smart.parse_smartd_state(text)
                if self._machine.wall_clock() - written_at > STALE_SECONDS:
                    facts.pop("temperature_celsius", None)
                return {**facts, "smart_source": "smartd", "smart_at": iso_utc(written_at)}
        return {}

    def _temperature(self, device: str) -> float | None:
        """Return what the disk's own sensor measures; nvme has its hwmon folder one level higher than drivetemp."""
        for folder in (device, f"{device}/hwmon"):
            for name in self._machine.list_folder(folder):
                text = self._line(f"{folder}/{name}/temp1_input") if name.startswith("hwmon") else None
                if text and text.lstrip("-").isdigit():
                    return int(text) / 1000
        return None

    def _scsi_serial(self, name: str) -> str | None:
        """Read the serial number's page of SCSI and SATA disks: four bytes of head, then letters."""
        try:
            with open(self._machine.path(f"/sys/block/{name}/device/vpd_pg80"), "rb") as file:
                return file.read(256)[4:].decode("ascii", "replace").strip(" \0") or None
        except OSError:
            return None

    def _line(self, path: str) -> str | None:
        return (self._machine.find_text(path, 4096) or "").strip() or None
