"""The address that hosts are told is one that other machines reach, or comes with what to check."""

from __future__ import annotations

import pytest

from proxmon.config import Settings
from proxmon.install import install_command, is_loopback, own_address, reach_of, visited_reach


def test_an_address_that_was_set_is_taken_as_it_is() -> None:
    settings = Settings(public_url="https://mon.example/x/")
    assert reach_of(settings).url == "https://mon.example/x"
    assert reach_of(settings).note == ""
    assert visited_reach(settings, "http", "localhost:5006") == reach_of(settings)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "0.0.0.0", "::", ""])
def test_an_address_of_the_machine_itself_is_never_told_to_hosts(address: str) -> None:
    reach = reach_of(Settings(address=address, prefix="/mon"), 5007)
    assert reach.url == f"http://{own_address()}:5007/mon"
    assert reach.note
    assert ("--address 0.0.0.0" in reach.note) is is_loopback(address)


def test_an_address_that_others_reach_needs_no_note() -> None:
    assert reach_of(Settings(address="10.0.0.5")).url == "http://10.0.0.5:5006"
    assert reach_of(Settings(address="fd00::5", tls_certificate="x")).url == "https://[fd00::5]:5006"
    assert reach_of(Settings(address="10.0.0.5")).note == ""


@pytest.mark.parametrize("host", ["localhost:5006", "127.0.0.1:5006", "[::1]:5006", "mon.localhost"])
def test_a_browser_on_the_server_itself_is_told_the_same(host: str) -> None:
    settings = Settings(address="0.0.0.0")
    assert visited_reach(settings, "http", host) == reach_of(settings)


def test_a_browser_elsewhere_has_the_address_already() -> None:
    assert visited_reach(Settings(prefix="/mon"), "https", "mon.example:8443").url == "https://mon.example:8443/mon"
    assert visited_reach(Settings(), "http", "nas:5006").note == ""


def test_the_command_fetches_the_script_from_that_address() -> None:
    assert install_command("http://10.0.0.5:5006/").startswith("curl -fsSL http://10.0.0.5:5006/agent/install.sh ")
