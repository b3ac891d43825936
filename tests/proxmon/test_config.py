"""Settings come from the environment, and each one is explained."""

from __future__ import annotations

import pytest

from proxmon.config import default_data_directory, list_settings, read_settings
from proxmon.errors import SettingsError


def test_defaults_are_the_contracts() -> None:
    settings = read_settings({})
    assert (settings.address, settings.port) == ("127.0.0.1", 5006)
    assert (settings.rules.capacity_warning_percent, settings.rules.capacity_critical_percent) == (80, 90)
    assert (settings.rules.scrub_max_days, settings.rules.snapshot_max_days) == (35, 30)


def test_the_environment_sets_and_an_option_wins() -> None:
    environ = {"PROXMON_PORT": "7000", "PROXMON_SCRUB_MAX_DAYS": "14", "PROXMON_TRUST_PROXY": "yes"}
    settings = read_settings(environ, port=8000, address=None)
    assert (settings.port, settings.rules.scrub_max_days, settings.trust_proxy) == (8000, 14, True)
    assert settings.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROXMON_PORT", "http"),
        ("PROXMON_SCRUB_MAX_DAYS", "-3"),
        ("PROXMON_SCRUB_MAX_DAYS", "nan"),
        ("PROXMON_TRUST_PROXY", "maybe"),
        ("PROXMON_CAPACITY_WARNING_PERCENT", "95"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


def test_the_data_directory_is_under_the_users_data_home() -> None:
    assert str(default_data_directory({"XDG_DATA_HOME": "/srv/share"})) == "/srv/share/proxmon"
    assert str(default_data_directory({"XDG_DATA_HOME": "relative"})).endswith(".local/share/proxmon")


def test_every_setting_has_a_name_and_a_sentence() -> None:
    for env, _, doc in list_settings():
        assert env.isupper()
        assert doc.endswith(".")


@pytest.mark.parametrize(("prefix", "root"), [("", ""), ("/", ""), ("mon", "/mon"), ("/a/b/", "/a/b")])
def test_a_prefix_becomes_the_root_of_all_paths(prefix: str, root: str) -> None:
    assert read_settings({"PROXMON_PREFIX": prefix}).root == root
