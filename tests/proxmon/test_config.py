"""Settings come from the environment, and each one is explained."""

from __future__ import annotations

import pytest

from proxmon.agent.settings import VARIABLES
from proxmon.config import default_data_directory, list_settings, read_settings, warn_of_unknown_names
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
        ("PROXMON_HEARTBEAT_URL", "mon.example"),
        ("PROXMON_PUBLIC_URL", "mon.example"),
        ("PROXMON_PREFIX", "http://x"),
        ("PROXMON_PREFIX", "/a/../b"),
        ("PROXMON_PREFIX", "/."),
        ("PROXMON_PREFIX", "/a//b"),
        ("PROXMON_PREFIX", "/a b"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


def test_the_case_of_a_scheme_says_nothing() -> None:
    settings = read_settings({"PROXMON_PUBLIC_URL": "HTTPS://Mon.example/A", "PROXMON_HEARTBEAT_URL": "Http://Hc/Up"})
    assert (settings.public_url, settings.heartbeat_url) == ("https://Mon.example/A", "http://Hc/Up")


def test_the_data_directory_is_under_the_users_data_home() -> None:
    assert str(default_data_directory({"XDG_DATA_HOME": "/srv/share"})) == "/srv/share/proxmon"
    assert str(default_data_directory({"XDG_DATA_HOME": "relative"})).endswith(".local/share/proxmon")


def test_every_setting_has_a_name_and_a_sentence() -> None:
    for env, _, doc in list_settings():
        assert env.isupper()
        assert doc.endswith(".")


@pytest.mark.parametrize(
    ("prefix", "root"), [("", ""), ("/", ""), ("mon", "/mon"), ("/a/b/", "/a/b"), ("/.a..~-_", "/.a..~-_")]
)
def test_a_prefix_becomes_the_root_of_all_paths(prefix: str, root: str) -> None:
    assert read_settings({"PROXMON_PREFIX": prefix}).root == root


@pytest.mark.parametrize(
    ("given", "kept"),
    [("'$argon2'", "$argon2"), ('"$argon2"', "$argon2"), ("''x'", "'x"), ("'x\"", "'x\""), ("'", "'")],
)
def test_quotes_that_no_shell_took_from_the_hash_go(given: str, kept: str) -> None:
    assert read_settings({"DASHBOARD_PASSWORD_HASH": given}).password_hash == kept


def test_names_that_are_no_settings_are_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_unknown_names({"PROXMON_SCRUB_MAX_DAY": "3", "PROXMON_X": "", "PROXMON_PORT": "1", "HOME": "/root"})
    (told,) = caplog.messages
    assert "changes nothing: PROXMON_SCRUB_MAX_DAY, PROXMON_X;" in told


def test_names_that_others_read_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    others = ("PROXMON_SOAK", "PROXMON_BENCH_DAYS", "PROXMON_AGENT_PYTHON", "PROXMON_DESTDIR")
    warn_of_unknown_names(dict.fromkeys((*VARIABLES, *others), "1"), VARIABLES)
    assert caplog.messages == []
