"""Settings come from the command line, the environment and a file, and a token never from where others can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxmon.agent.settings import Settings, SettingsError, read_config, read_settings, warnings

BASE = ["--server", "http://monitor:5006/", "--token", "abc"]


def read(argv: list[str], environ: dict[str, str]) -> Settings:
    return read_settings(argv, environ, read_config(argv, environ))


def told(argv: list[str], environ: dict[str, str]) -> list[str]:
    return warnings(argv, read(argv, environ), read_config(argv, environ))


def a_config(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "agent.conf"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_the_defaults_are_the_contracts() -> None:
    settings = read(BASE, {})
    assert settings.server == "http://monitor:5006"
    assert settings.intervals == {"fast": 10.0, "medium": 300.0, "slow": 3600.0}
    assert settings.spool_samples == 8640 + 288 + 24


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    config = a_config(tmp_path, "server = http://file:1\ntoken = from-file\ninterval = 30\nslow_interval = 7200\n")
    environ = {"PROXMON_TOKEN": "from-environment", "PROXMON_INTERVAL": "20", "PROXMON_CONFIG": config}
    settings = read(["--server", "http://line:1"], environ)
    assert settings.server == "http://line:1"
    assert (settings.token, settings.interval, settings.slow_interval) == ("from-environment", 20.0, 7200.0)


def test_a_file_may_have_sections_comments_quotes_and_the_environments_names(tmp_path: Path) -> None:
    config = a_config(tmp_path, "# mine\n[agent]\nPROXMON_SERVER=http://file:1\ntoken = 'abc'\nspool-hours = 48\n")
    settings = read(["--config", config], {})
    assert (settings.server, settings.token, settings.spool_hours) == ("http://file:1", "abc", 48.0)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    config = a_config(tmp_path, "server = http://file:1\ntoken = abc\n", mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        read(["--config", config], {})


def test_a_file_without_a_token_may_be_read_by_everyone(tmp_path: Path) -> None:
    config = a_config(tmp_path, "server = http://file:1\n", 0o644)
    assert read(["--config", config], {"PROXMON_TOKEN": "abc"}).server == "http://file:1"


def test_a_token_can_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = a_config(tmp_path, "abc\n")
    settings = read(["--server", "http://m", "--token-file", path], {"PROXMON_TOKEN": "other"})
    assert settings.token == "abc"


def test_a_token_on_the_command_line_is_warned_of(tmp_path: Path) -> None:
    assert "others on this machine can read it" in told(BASE, {})[0]
    assert told(["--server", "http://m", "--token-file", a_config(tmp_path, "abc")], {}) == []


def test_a_key_of_the_file_that_is_not_known_is_warned_of_and_not_refused(tmp_path: Path) -> None:
    config = a_config(tmp_path, "server = http://m\ntoken = abc\ntoken_file =\nmedium_intervall = 3\nlater = 1\n")
    assert read(["--config", config], {}).medium_interval == 300.0
    (warning,) = told([], {"PROXMON_CONFIG": config})
    assert warning.endswith("does not know: medium_intervall, later")


def test_a_missing_authority_is_warned_of_where_the_agent_runs_on() -> None:
    (warning,) = told(["--server", "https://m"], {"PROXMON_TOKEN": "abc", "PROXMON_CA_FILE": "/no/such/file"})
    assert warning.startswith("/no/such/file cannot be read: ")
    assert told(["--server", "https://m"], {"PROXMON_TOKEN": "abc", "PROXMON_CA_FILE": "/dev/null"}) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "--server URL"),
        (["--server", "http://m"], "proxmon hosts add"),
        (["--server", "monitor", "--token", "x"], "is not an address"),
        (["--server", "ftp://m", "--token", "x"], "is not an address"),
        (["--server", "http://u:p@m", "--token", "x"], "only scheme"),
        (["--server", "http://m:99999", "--token", "x"], "out of range"),
        ([*BASE, "--interval", "soon"], "positive number"),
        ([*BASE, "--interval", "-1"], "positive number"),
        (["--server", "http://m", "--token", "a b"], "copy it again"),
        (["--server", "http://m", "--token-file", "/no/such/file"], "cannot be read"),
        ([*BASE, "--once", "--ca-file", "/no/such/file"], "/no/such/file cannot be read"),
        ([*BASE, "--check", "--ca-file", "/"], "/ cannot be read"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(argv: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(argv, {"PROXMON_CONFIG": "/dev/null"})


def test_hosts_that_share_a_machine_do_not_share_a_spool() -> None:
    one, other = (Settings(server="http://m", token=token) for token in ("one", "other"))
    assert one.spool_folder != other.spool_folder
    assert "one" not in one.spool_folder.rsplit("/", 1)[1]
    assert Settings(server="http://m", token="x", spool="/var/spool/x").spool_folder == "/var/spool/x"


def test_every_setting_is_in_the_docs() -> None:
    docs = (Path(__file__).resolve().parents[2] / "docs" / "agent.md").read_text()
    for name in Settings._fields:
        assert f"`{name}`" in docs or f"`--{name.replace('_', '-')}`" in docs, name
