"""The recorded hypervisor: a folder that looks like a Proxmox host with ZFS to the agent, in any mood one needs.

ZFS outputs are captures from tests/samples; Proxmox's files are made up in the form that its sources describe.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parent / "samples"
CAPTURES = {"healthy": "02_rpool_mirror_scrubbed", "degraded": "07_offline_degraded"}
NODE = "pve-lab"
PROGRAMS = ("zpool", "zfs", "pvesh", "pveversion", "dpkg-query", "apt-get", "smartctl")

FAKE = """#!/bin/sh
here='{folder}'
echo "$*" >> "$here/calls/{program}"
read -r mood < "$here/moods/{program}"
case $mood in
    hanging) exec sleep 600 ;;
    stubborn) trap '' TERM; while :; do sleep 1; done ;;
    flooding) exec yes 'zpool zpool zpool zpool zpool zpool zpool zpool' ;;
    garbage) printf '\\377\\376 %%!@ no such thing\\n'; exit 0 ;;
    empty) exit 0 ;;
    failing) echo 'internal error: out of luck' >&2; exit 1 ;;
    slow) sleep 1.5 ;;
esac
answers="$here/answers/{program}"
{body}
"""
ZPOOL = """case "$1 $2" in
    "list "*) exec cat "$answers/list" ;;
    "status -j") if [ -f "$answers/status-json" ]; then exec cat "$answers/status-json"; fi
        echo "invalid option 'j'" >&2; exit 2 ;;
    "status "*) exec cat "$answers/status" ;;
esac
exit 2"""
ZFS = """if [ "$1" = get ]; then
    shift 5
    for name; do grep -F "$name	" "$answers/snapshots"; done
    exit 0
fi
case "$*" in
    *"-t snapshot"*) exec cat "$answers/snapshots" ;;
esac
exec cat "$answers/list" """
PLAIN = 'exec cat "$answers/out"'


class Hypervisor:
    """One recorded host below a folder; `root` and `path` are what the agent is started with."""

    def __init__(self, folder: Path, zfs: str = "2.3", guest_count: int = 6) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.path = f"{folder / 'bin'}:/usr/bin:/bin"
        self._zfs = zfs
        for name in ("bin", "calls", "moods"):
            (folder / name).mkdir(parents=True)
        bodies = {"zpool": ZPOOL, "zfs": ZFS}
        for program in PROGRAMS:
            self.set_mood("healthy", program)
            self._program(program, bodies.get(program, PLAIN))
        self._fill_root()
        self._fill_answers()
        self.set_pools("healthy")
        self.set_guests(guest_count)

    def set_mood(self, mood: str, *programs: str) -> None:
        """Make programs answer from now on: healthy, hanging, stubborn, flooding, garbage, empty, failing or slow."""
        for program in programs:
            (self.folder / "moods" / program).write_text(mood + "\n")

    def set_pools(self, state: str) -> None:
        """Show the captured pools as they were `healthy` or `degraded`."""
        capture = SAMPLES / f"zfs-{self._zfs}" / CAPTURES[state]
        rows = [line.split("\t") for line in (capture / "zpool_list_Hpo.txt").read_text().splitlines()]
        # The capture's columns: name, size, allocated, free, freeing, capacity, fragmentation, dedupratio, health, …
        listing = ["\t".join((row[0], row[8], row[5], row[6], row[1], row[2], row[3])) for row in rows]
        self._answer("zpool", "list", "\n".join(listing) + "\n")
        self._answer("zpool", "status", (capture / "zpool_status.txt").read_text())
        if self._zfs == "2.3":
            self._answer("zpool", "status-json", (capture / "zpool_status_j_int.json").read_text())
        for line in (capture / "kstat_state.txt").read_text().splitlines():
            path, _, pool_state = line.partition(" ")
            self.write(path, pool_state + "\n")

    def set_pool_count(self, count: int) -> None:
        """Show so many pools like the first of the healthy capture; for OpenZFS 2.3."""
        answers = self.folder / "answers" / "zpool"
        row = (answers / "list").read_text().splitlines()[0].split("\t")
        names = [row[0], *(f"tank{number}" for number in range(1, count))]
        self._answer("zpool", "list", "".join("\t".join([name, *row[1:]]) + "\n" for name in names))
        status = json.loads((answers / "status-json").read_text())
        first = json.dumps(status["pools"][row[0]])
        status["pools"] = {name: json.loads(first.replace(f'"{row[0]}"', f'"{name}"')) for name in names}
        self._answer("zpool", "status-json", json.dumps(status))
        for name in names:
            self.set_kernel_state(name, "ONLINE")

    def set_kernel_state(self, pool: str, state: str) -> None:
        """Let the kernel alone tell a pool's state, as it does of a suspended pool on which `zpool` hangs."""
        self.write(f"/proc/spl/kstat/zfs/{pool}/state", state + "\n")

    def set_snapshots(self, lines: list[str]) -> None:
        """Let `zfs list -t snapshot` print these lines `dataset@name TAB number`."""
        self._answer("zfs", "snapshots", "\n".join(lines) + "\n")

    def set_datasets(self, names: list[str]) -> None:
        """Let `zfs list` print these datasets."""
        rows = [f"{name}\tfilesystem\t1048576\t1073741824\t98304\t4096\t0\t0\t/{name}" for name in names]
        self._answer("zfs", "list", "\n".join(rows) + "\n")

    def set_guests(self, count: int) -> None:
        """Have so many guests, two of three virtual machines, every fourth stopped; the first is the most detailed."""
        qemu: dict[str, Any] = {}
        lxc: dict[str, Any] = {}
        for index in range(count):
            vmid, is_lxc, is_stopped = 100 + index, index % 3 == 2, index % 4 == 3
            row: dict[str, Any] = {"vmid": vmid, "name": f"guest-{vmid}", "cpus": 2, "maxmem": 2 << 30, "disk": 0}
            row.update(status="stopped" if is_stopped else "running", cpu=0.125, mem=1 << 30, uptime=3600)
            if not is_stopped:
                row["pid"] = 5000 + vmid
            (lxc if is_lxc else qemu)[str(vmid)] = row
            self._guest_files(vmid, is_lxc)
        if "100" in qemu:
            qemu["100"].update(qmpstatus="paused", tags="web;prod", lock="backup")
        self.write_metrics(qemu, lxc)

    def write_metrics(self, qemu: dict[str, Any], lxc: dict[str, Any], written_at: float | None = None) -> None:
        """Write what Proxmox's status daemon leaves in /run/pve/metrics, with an older cycle below."""
        now = time.time() if written_at is None else written_at
        storages = {
            "local": {"type": "dir", "total": 1000, "used": 250, "avail": 750, "active": 1, "enabled": 1, "shared": 0},
            "nas": {"type": "nfs", "total": 0, "used": 0, "avail": 0, "active": 0, "enabled": 1, "shared": 1},
        }
        parts = {"node": {"uptime": 1}, "qemu": qemu, "lxc": lxc, "storage": storages}
        cycle = {name: {"data": data, "timestamp": now} for name, data in parts.items()}
        self.write("/run/pve/metrics", json.dumps(cycle) + "\n" + json.dumps({"old": True}) + "\n")

    def add_disk(self, name: str, serial: str, **files: str) -> None:
        """Have a disk of 4 TB; `files` are further ones below its `device`, with `__` for a slash."""
        base = f"/sys/block/{name}"
        self.write(f"{base}/size", "7814037168\n")
        self.write(f"{base}/queue/rotational", "1\n")
        self.write(f"{base}/device/model", "WDC WD40EFRX-68N\n")
        self.write(f"{base}/device/serial", serial + "\n")
        for path, text in files.items():
            self.write(f"{base}/device/{path.replace('__', '/')}", text)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the recorded machine and return where it lies."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def remove(self, *paths: str) -> None:
        """Remove files of the recorded machine, or programs by their name."""
        for path in paths:
            (self.root / path.lstrip("/") if path.startswith("/") else self.folder / "bin" / path).unlink()

    def calls(self, program: str) -> list[str]:
        """Return the arguments of each call of a program, oldest first."""
        log = self.folder / "calls" / program
        return log.read_text().splitlines() if log.exists() else []

    def _program(self, program: str, body: str) -> None:
        target = self.folder / "bin" / program
        target.write_text(FAKE.format(folder=self.folder, program=program, body=body))
        target.chmod(0o755)

    def _answer(self, program: str, name: str, text: str) -> None:
        target = self.folder / "answers" / program / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def _fill_root(self) -> None:
        files = {
            "/proc/loadavg": "0.50 0.40 0.30 1/500 12345\n",
            "/proc/uptime": "86400.55 170000.00\n",
            "/proc/stat": "cpu  1000 0 500 8000 100 0 0 0 0 0\ncpu0 500 0 250 4000 50 0 0 0 0 0\n",
            "/proc/meminfo": "MemTotal: 16000000 kB\nMemFree: 1000000 kB\nMemAvailable: 6000000 kB\n"
            "SwapTotal: 2000000 kB\nSwapFree: 1500000 kB\n",
            "/proc/spl/kstat/zfs/arcstats": "name type data\nhits 4 9\nsize 4 2147483648\n",
            "/proc/sys/kernel/osrelease": "6.8.12-4-pve\n",
            "/proc/sys/kernel/hostname": f"{NODE}\n",
            "/proc/net/arp": "IP address HW type Flags HW address Mask Device\n"
            "192.0.2.77  0x1  0x2  bc:24:11:00:00:65  *  vmbr0\n"
            "192.0.2.78  0x1  0x0  bc:24:11:00:00:66  *  vmbr0\n",
            "/sys/module/zfs/version": {"2.1": "2.1.11-1\n", "2.3": "2.3.2-1\n"}[self._zfs],
            "/boot/vmlinuz-6.8.12-4-pve": "",
            "/boot/vmlinuz-6.8.12-11-pve": "",
            "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "/etc/pve/corosync.conf": "totem {\n  cluster_name: lab\n  version: 2\n}\n",
            "/etc/pve/storage.cfg": "dir: local\n\tpath /var/lib/vz\n\tcontent iso,backup\n\n"
            "nfs: nas\n\tpath /mnt/pve/nas\n\tserver 192.0.2.9\n\n"
            "dir: elsewhere\n\tpath /mnt/x\n\tnodes other-node\n",
            "/var/lib/dpkg/status": "",
            "/var/cache/apt/pkgcache.bin": "",
            "/var/lib/apt/lists/deb.example_Packages": "",
            "/var/lib/pve-manager/pkgupdates": json.dumps([{"Package": "a"}, {"Package": "b"}, {"Package": "c"}]),
            "/var/log/vzdump/qemu-100.log": "INFO: Starting Backup of VM 100\nINFO: Finished Backup of VM 100 (1s)\n",
            "/var/log/vzdump/qemu-101.log": "INFO: Starting Backup of VM 101\nERROR: Backup of VM 101 failed - no\n",
            "/var/lib/vz/dump/vzdump-lxc-102-2026_11_20-03_00_00.tar.zst": "",
            "/var/lib/vz/dump/vzdump-lxc-102-2026_11_21-03_00_00.tar.zst": "",
        }
        for path, text in files.items():
            self.write(path, text)
        (self.root / "etc/pve/local").symlink_to(f"nodes/{NODE}")

    def _fill_answers(self) -> None:
        capture = SAMPLES / f"zfs-{self._zfs}" / CAPTURES["healthy"]
        rows = [line.split("\t") for line in (capture / "zfs_list_Hp.txt").read_text().splitlines()]
        # The capture's columns: name, used, avail, refer, mountpoint, type, usedbysnapshots, creation.
        datasets = ["\t".join((row[0], row[5], row[1], row[2], row[3], row[6], "0", "-", row[4])) for row in rows]
        self._answer("zfs", "list", "\n".join(datasets) + "\n")
        snapshots = [line.split("\t") for line in (capture / "zfs_list_snap_Hp.txt").read_text().splitlines()]
        self.set_snapshots([f"{row[0]}\t{row[1]}" for row in snapshots])
        self._answer("pvesh", "out", "[]\n")
        self._answer("smartctl", "out", "{}\n")
        self._answer("pveversion", "out", "pve-manager/8.2.4/faa83925c9641325 (running kernel: 6.8.12-4-pve)\n")
        self._answer("dpkg-query", "out", "pve-manager 8.4.1 installed\nzfsutils-linux 2.3.2-pve1 installed\n")
        self._answer(
            "apt-get",
            "out",
            "Inst libssl3 [3.0.11-1] (3.0.13-1 Debian-Security:12/stable-security [amd64])\n"
            "Inst base-files [12.4] (12.5 Debian:12/stable [amd64])\n"
            "Conf libssl3 (3.0.13-1 Debian-Security:12/stable-security [amd64])\n",
        )

    def _guest_files(self, vmid: int, is_lxc: bool) -> None:
        base, mac = f"/etc/pve/nodes/{NODE}", f"BC:24:11:00:00:{vmid % 256:02X}"
        if is_lxc:
            network = f"name=eth0,bridge=vmbr0,hwaddr={mac},ip=198.51.100.{vmid}/24"
            self.write(f"{base}/lxc/{vmid}.conf", f"hostname: guest-{vmid}\nonboot: 1\nnet0: {network}\n")
            self.write(f"/proc/{5000 + vmid}/net/fib_trie", FIB_TRIE.format(vmid=vmid))
            self.write(f"/proc/{5000 + vmid}/net/if_inet6", IF_INET6)
        else:
            text = f"#notes\nname: guest-{vmid}\nnet0: virtio={mac},bridge=vmbr0\nagent: 1\ntags: a;b\n"
            text += "[snap1]\nname: old\n"
            self.write(f"{base}/qemu-server/{vmid}.conf", text)


FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.{vmid}
        /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
"""
IF_INET6 = (
    "20010db8000000000000000000000042 02 40 00 80     eth0\n"
    "fe80000000000000be2411fffe000066 02 40 20 80     eth0\n"
    "00000000000000000000000000000001 01 80 10 80       lo\n"
)


def environment() -> dict[str, str]:
    """Return an environment for an agent as a process of its own, free of the tester's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PROXMON_")}
