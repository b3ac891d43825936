"""Collects the section `backups`: when each guest was last saved, from vzdump's logs and from its archives."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from . import pve
from .guests import GuestsAndStorages, storage_types
from .machine import Machine
from .sections import Section

LOG_FOLDER = "/var/log/vzdump"
LOG_TAIL_BYTES = 4096
_LOG = re.compile(r"(qemu|lxc)-(\d+)\.log")
_ARCHIVE = re.compile(r"vzdump-(qemu|lxc)-(\d+)-(\d{4})_(\d\d)_(\d\d)-(\d\d)_(\d\d)_(\d\d)\.(?:vma|tar|tgz)(?:\.\w+)*")
Newest = dict[pve.GuestKey, dict[str, Any]]


class BackupsSection:
    """Collects the newest backup of each guest.

    vzdump writes one log per guest and run, wherever the backup goes, also to a backup server; the archives of
    storages that are folders add backups whose log is gone. Storages that are not active are not touched.
    """

    def __init__(self, machine: Machine, guests: GuestsAndStorages) -> None:
        self._machine = machine
        self._guests = guests

    def collect(self) -> Section:
        """Return the section."""
        if not pve.is_node(self._machine):
            return {"guests": []}
        newest: Newest = {}
        self._add_logs(newest)
        self._add_archives(newest)
        rows = sorted(newest.items(), key=lambda item: item[0][1])
        return {"guests": [{"type": key[0], "vmid": key[1], **facts} for key, facts in rows]}

    def _add_logs(self, newest: Newest) -> None:
        for name in self._machine.list_folder(LOG_FOLDER):
            match = _LOG.fullmatch(name)
            ended_at = self._machine.modified_at(f"{LOG_FOLDER}/{name}")
            if match is None or ended_at is None:
                continue
            tail = self._tail(f"{LOG_FOLDER}/{name}")
            facts = newest.setdefault((match.group(1), int(match.group(2))), {})
            if "INFO: Finished Backup of VM" in tail:
                facts["newest_unix"] = int(ended_at)
            elif "ERROR: Backup of VM" in tail:
                facts["failed_unix"] = int(ended_at)

    def _add_archives(self, newest: Newest) -> None:
        active = {row["name"] for row in self._guests.collect_storages()["storages"] if row["active"]}
        for name, settings in storage_types(self._machine).items():
            if name not in active or "path" not in settings or "backup" not in settings.get("content", ""):
                continue
            for file_name in self._machine.list_folder(f"{settings['path']}/dump"):
                found = read_archive_name(file_name)
                if found is not None:
                    key, started_at = found
                    facts = newest.setdefault(key, {})
                    facts["newest_unix"] = max(facts.get("newest_unix", 0), started_at)

    def _tail(self, path: str) -> str:
        try:
            with open(self._machine.path(path), "rb") as file:
                file.seek(max(0, file.seek(0, 2) - LOG_TAIL_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def read_archive_name(file_name: str) -> tuple[pve.GuestKey, int] | None:
    """Return guest and start of a backup from its archive's name, whose date is in the host's zone."""
    match = _ARCHIVE.fullmatch(file_name)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[2:])
    try:
        datetime(year, month, day, hour, minute, second)  # raises where mktime would count the 31st of June as July
        started_at = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    except (ValueError, OverflowError):
        return None
    return (match.group(1), int(match.group(2))), int(started_at)
