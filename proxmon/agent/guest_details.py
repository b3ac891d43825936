"""Collects the section `vms_detail`: addresses and cards of this node's guests."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Optional

from . import addresses, pve
from .guests import GuestsAndStorages
from .machine import Machine
from .pve_api import GuestAgentApi
from .sections import Section, SectionError

AGENTS_SECONDS = 40.0  # for all guests' agents of one sample; who is left is asked first the next time
Found = tuple[Optional[list[str]], str]


class GuestDetails:
    """Collects what changes seldom; `ips` is left out where they are not known, and `ips_source` says who told them."""

    def __init__(
        self, machine: Machine, configs: pve.GuestConfigs, guests: GuestsAndStorages, api: GuestAgentApi | None
    ) -> None:
        self._machine = machine
        self._configs = configs
        self._guests = guests
        self._api = api

    def collect(self) -> Section:
        """Return the section."""
        if not pve.is_node(self._machine):
            return {"vms": []}
        with suppress(SectionError):  # without run states the configurations still tell cards and fixed addresses
            self._guests.collect_guests()
        run_states, pids = self._guests.run_states(), self._guests.running_pids()
        neighbours = addresses.neighbour_addresses(self._machine)
        agent_answers = self._ask_agents(run_states)
        rows: list[Section] = []
        for key, config in sorted(self._configs.configs(0.0).items(), key=lambda item: item[0][1]):
            row: Section = {"vmid": config.vmid, "type": config.type, "name": config.name, "macs": config.macs()}
            row["onboot"] = config.settings.get("onboot") == "1"
            if config.tags:
                row["tags"] = config.tags
            is_running = run_states.get(key) == "running"
            found, source = self._best(config, is_running, pids.get(config.vmid), agent_answers, neighbours)
            if found is not None:
                row["ips"], row["ips_source"] = found, source
            rows.append(row)
        section: Section = {"vms": rows}
        if self._api is not None and self._api.trouble:
            section["incomplete"] = self._api.trouble
        return section

    def _best(
        self,
        config: pve.GuestConfig,
        is_running: bool,
        pid: int | None,
        agent_answers: dict[int, list[str]],
        neighbours: dict[str, list[str]],
    ) -> Found:
        """Choose the best source: the guest itself, what it was given, whom this host has spoken to."""
        if is_running and config.type == "lxc":
            pid = pid or addresses.container_pid(self._machine, config.vmid)
            inside = addresses.container_addresses(self._machine, pid) if pid else None
            if inside is not None:
                return inside, "container"
        if config.vmid in agent_answers and config.type == "qemu":
            return agent_answers[config.vmid], "guest-agent"
        configured = config.configured_addresses()
        if configured:
            return configured, "config"
        seen = [address for mac in config.macs() for address in neighbours.get(mac, [])]
        return (seen, "neighbour") if seen and is_running else (None, "")

    def _ask_agents(self, run_states: dict[pve.GuestKey, str]) -> dict[int, list[str]]:
        answers: dict[int, list[str]] = {}
        if self._api is None:
            return answers
        node, deadline = pve.node_name(self._machine), time.monotonic() + AGENTS_SECONDS
        for key, config in self._configs.configs().items():
            if not config.has_agent or run_states.get(key) != "running" or time.monotonic() > deadline:
                continue
            found = self._api.addresses(node, config.vmid)
            if found is not None:
                answers[config.vmid] = found
        return answers
