"""Names, guests and addresses of the simulated fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise

from proxmon.demo.guests import FEWEST, MOST, detail_row, guest_state, ip_addresses, make_guests
from proxmon.demo.names import CALLINGS, host_name
from proxmon.demo.noise import activity, unit, wander
from proxmon.hosts import check_name

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC).timestamp()


def test_a_thousand_hosts_have_names_of_their_own() -> None:
    names = [host_name(index) for index in range(1000)]
    assert len(set(names)) == 1000
    for name in names:
        check_name(name)


def test_a_host_has_5_to_40_guests_each_with_its_own_vmid() -> None:
    for index in range(300):
        guests = make_guests(index)
        assert FEWEST <= len(guests) <= MOST
        assert len({guest.vmid for guest in guests}) == len(guests)
    assert len(CALLINGS) >= MOST


def test_the_fleet_has_virtual_machines_containers_and_templates() -> None:
    guests = [guest for index in range(20) for guest in make_guests(index)]
    assert {guest.calling.type for guest in guests} == {"qemu", "lxc"}
    assert any(guest.is_template for guest in guests)
    assert {guest_state(guest, NOW, 1e6).is_running for guest in guests} == {True, False}


def test_no_address_is_given_twice() -> None:
    found = [address for index in range(400) for guest in make_guests(index) for address in ip_addresses(guest)]
    assert len(found) == len(set(found))
    assert {ip_address(address).version for address in found} == {4, 6}
    assert all(ip_address(address).is_private for address in found)


def test_the_addresses_of_a_stopped_guest_are_not_known() -> None:
    states = [guest_state(guest, NOW, 1e6) for index in range(20) for guest in make_guests(index)]
    assert all(("ips" in detail_row(state)) == state.is_running for state in states)


def test_a_guest_never_runs_for_longer_than_its_host() -> None:
    for guest in make_guests(3):
        assert guest_state(guest, NOW, 300).uptime_seconds <= 300


def test_people_are_busiest_on_a_weekday_afternoon() -> None:
    wednesday, night, sunday = NOW + 7_200, NOW + 14 * 3_600, NOW + 4 * 86_400
    assert activity(wednesday) > 0.99
    assert activity(night) < 0.01
    assert activity(sunday) < activity(wednesday)


def test_noise_stays_in_its_bounds_and_has_no_jumps() -> None:
    values = [wander(NOW + second, 60, "a") for second in range(600)]
    assert all(0 <= value <= 1 for value in values)
    assert all(abs(one - other) < 0.05 for one, other in pairwise(values))
    assert unit("a", 1) == unit("a", 1) != unit("a", 2)
