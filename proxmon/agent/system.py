"""Collects the section `system_info`: versions, updates, and whether a restart is due."""

from __future__ import annotations

import os
import re
from typing import Any

from . import certificates, pve, subscription, zfs
from .machine import Machine
from .programs import ProgramError
from .sections import Section
from .updates import Updates

PACKAGES = ("pve-manager", "zfsutils-linux", "proxmox-backup-client")
PROGRAM_SECONDS = 10.0


class SystemSection:
    """Collects what changes with upgrades and restarts only."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._updates = Updates(machine)

    def collect(self) -> Section:
        """Return the section."""
        machine = self._machine
        packages = self._package_versions()
        kernel = kernel_release(machine)
        module = zfs.module_version(machine)
        facts: dict[str, Any] = {
            "kernel": kernel or None,
            "os": os_name(machine),
            "pve_version": packages.get("pve-manager") or self._pveversion(),
            "zfs_version": module,
            "zfs_tools_version": packages.get("zfsutils-linux"),
            "node": pve.node_name(machine),
            "cluster": pve.cluster_name(machine) if pve.is_node(machine) else None,
            "certificates": certificates.list_certificates(machine) or None,
            **self._updates.facts(),
            **subscription.subscription_facts(machine),
            **restart_facts(machine, kernel, module, packages.get("zfsutils-linux")),
        }
        return {key: value for key, value in facts.items() if value is not None}

    def _package_versions(self) -> dict[str, str]:
        """Return the versions of the installed packages among ours, none where dpkg is not at hand."""
        argv = ("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n", *PACKAGES)
        try:
            text = self._machine.programs.run(argv, PROGRAM_SECONDS).stdout
        except ProgramError:
            return {}
        rows = [line.split(" ") for line in text.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}

    def _pveversion(self) -> str | None:
        """Ask `pveversion`, half a second of Perl, where the package is not registered."""
        try:
            text = self._machine.programs.run(("pveversion",), PROGRAM_SECONDS).stdout
        except ProgramError:
            return None
        match = re.match(r"pve-manager/([^/\s]+)", text)
        return match.group(1) if match else None


def kernel_release(machine: Machine) -> str:
    """Return the running kernel's release; a sandbox may hide the file."""
    return (machine.find_text("/proc/sys/kernel/osrelease") or os.uname().release).strip()


def os_name(machine: Machine) -> str | None:
    """Return the distribution's name, such as `Debian GNU/Linux 12 (bookworm)`."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', machine.find_text("/etc/os-release") or "", re.MULTILINE)
    return match.group(1) if match else None


def restart_facts(machine: Machine, kernel: str, module: str | None, tools: str | None) -> dict[str, Any]:
    """Say whether a restart is due and why: the flag file, a newer installed kernel, or newer ZFS programs.

    Nothing is said where neither a kernel nor the flag file can be seen, as in a container.
    """
    reasons: list[str] = []
    if machine.exists("/run/reboot-required"):
        reasons.append("the system asks for it")
    installed = installed_kernels(machine, kernel)
    newest = max(installed, key=version_key, default=None)
    if newest is not None and version_key(newest) > version_key(kernel):
        reasons.append(f"kernel {newest} is installed, {kernel} runs")
    if module and tools and version_key(base_version(tools)) > version_key(base_version(module)):
        reasons.append(f"ZFS {base_version(tools)} is installed, {base_version(module)} runs")
    if not reasons and newest is None:
        return {}
    return {"reboot_required": bool(reasons), "reboot_reasons": reasons}


def installed_kernels(machine: Machine, running: str) -> list[str]:
    """Return the kernels in /boot of the running one's flavour: `-pve`, `-amd64`, `-cloud-amd64`."""
    flavour = kernel_flavour(running)
    names = [name[len("vmlinuz-") :] for name in machine.list_folder("/boot") if name.startswith("vmlinuz-")]
    return [name for name in names if kernel_flavour(name) == flavour]


def kernel_flavour(release: str) -> str:
    """Return the letters at the end: `6.8.12-4-pve` is of the flavour `pve`."""
    match = re.search(r"\d-([a-z][a-z0-9-]*)$", release)
    return match.group(1) if match else ""


def base_version(version: str) -> str:
    """Return `2.2.6` for `2.2.6-pve1` and for `1:2.2.6-1~bpo12`."""
    return re.split(r"[-~+]", version.rpartition(":")[2])[0]


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison."""
    return tuple(map(int, re.findall(r"\d+", re.sub(r"-[a-z].*$", "", version))))
