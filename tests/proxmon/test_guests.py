"""The guests of a host, and the search over those of all hosts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from proxmon.board import JudgedHost
from proxmon.config import RuleSettings
from proxmon.fleet import HostSnapshot
from proxmon.guests import list_guests, search_guests
from proxmon.status import evaluate
from tests.builders import NOW, a_fast_payload, a_guest, a_host, a_medium_payload, a_sample, a_snapshot


def judged(snapshot: HostSnapshot, now=NOW) -> JudgedHost:
    return JudgedHost(snapshot, evaluate(snapshot, RuleSettings(), now))


def with_guests(*guests: dict, ips: dict[int, list[str]] | None = None, host_id: int = 1) -> JudgedHost:
    fast = a_sample(payload=a_fast_payload(vms_runtime={"vms": list(guests)}))
    detail = [{"vmid": vmid, "type": "qemu", "ips": found} for vmid, found in (ips or {}).items()]
    medium = a_sample(tier="medium", payload=a_medium_payload(vms_detail={"vms": detail}))
    return judged(a_snapshot(fast, medium, host=a_host(id=host_id, name=f"pve-{host_id:02d}")))


def with_details(guests: list[dict], *details: dict) -> JudgedHost:
    fast = a_sample(payload=a_fast_payload(vms_runtime={"vms": guests}))
    medium = a_sample(tier="medium", payload=a_medium_payload(vms_detail={"vms": list(details)}))
    return judged(a_snapshot(fast, medium))


def test_a_guest_has_the_run_state_of_one_tier_and_the_addresses_of_another() -> None:
    (guest,) = list_guests(with_guests(a_guest(), ips={100: ["10.0.0.17"]}))
    assert (guest.name, guest.run_state, guest.ips) == ("web-01", "running", ("10.0.0.17",))


def test_unknown_addresses_are_not_none() -> None:
    (guest,) = list_guests(with_guests(a_guest()))
    assert guest.ips is None
    (guest,) = list_guests(with_guests(a_guest(), ips={100: []}))
    assert guest.ips == ()


def test_the_run_state_of_an_offline_hosts_guests_is_unknown() -> None:
    host = a_snapshot()
    (guest,) = list_guests(judged(host, NOW + timedelta(hours=1)))
    assert guest.run_state is None


def test_a_guest_that_the_fast_tier_no_longer_lists_is_gone() -> None:
    assert list_guests(with_guests(ips={100: ["10.0.0.17"]})) == []


def test_guests_are_listed_where_only_the_medium_tier_says_so() -> None:
    payload = a_fast_payload(vms_runtime={"error": "pvesh: timed out"})
    host = a_snapshot(a_sample(payload=payload), a_sample(tier="medium"))
    assert [guest.vmid for guest in list_guests(judged(host))] == [100]


@pytest.mark.parametrize("query", ["web", "WEB-0", "100", "0.0.1", " web ", ""])
def test_name_vmid_and_address_are_found_in_part_and_in_any_case(query: str) -> None:
    host = with_guests(a_guest(), a_guest(vmid=7, name="db"), ips={100: ["10.0.0.17"]})
    assert 100 in [guest.vmid for guest in search_guests([host], query)]


def test_the_same_vmid_on_two_hosts_is_two_guests() -> None:
    found = search_guests([with_guests(a_guest()), with_guests(a_guest(), host_id=2)], "web")
    assert [(guest.host, guest.vmid) for guest in found] == [("pve-01", 100), ("pve-02", 100)]


@pytest.mark.parametrize(("runtime", "detail"), [("qemu", None), (None, "qemu"), (None, None), ("lxc", None)])
def test_addresses_are_found_by_the_vmid_alone_where_a_type_is_missing(runtime: str | None, detail: str | None) -> None:
    (guest,) = list_guests(with_details([a_guest(type=runtime)], {"vmid": 100, "type": detail, "ips": ["10.0.0.17"]}))
    assert (guest.ips, guest.type) == (("10.0.0.17",), runtime or detail or "")


def test_a_vmid_that_two_guests_have_is_not_enough() -> None:
    both = [a_guest(type="qemu"), a_guest(type="lxc")]
    assert [guest.ips for guest in list_guests(with_details(both, {"vmid": 100, "ips": ["10.0.0.17"]}))] == [None, None]
    typed = ({"vmid": 100, "ips": ["10.0.0.1"]}, {"vmid": 100, "type": "qemu", "ips": ["10.0.0.2"]})
    (guest,) = list_guests(with_details([a_guest()], *typed))
    assert guest.ips == ("10.0.0.2",)


def test_a_type_that_differs_is_another_guest() -> None:
    (guest,) = list_guests(with_details([a_guest(type="lxc")], {"vmid": 100, "type": "qemu", "ips": ["10.0.0.17"]}))
    assert guest.ips is None


def test_what_does_not_match_is_not_found() -> None:
    assert search_guests([with_guests(a_guest())], "pve-01") == []
