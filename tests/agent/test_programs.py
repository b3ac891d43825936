"""Programs never hang the agent, flood it, or outlive it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from proxmon.agent.programs import ProgramError, ProgramMissingError, Programs
from tests.waiting import wait_for

PATH = "/usr/bin:/bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def script(folder: Path, text: str, name: str = "tool") -> Programs:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return Programs(f"{folder}:{PATH}")


def has_ended(pid_file: Path) -> bool:
    """Say whether a killed process is gone or about to be reaped by init, within the moment that a kill takes."""
    stat = Path(f"/proc/{int(pid_file.read_text())}/stat")
    return wait_for(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_output_error_text_and_status_come_back(folder: Path) -> None:
    finished = script(folder, "echo out; echo err >&2; exit 3").run(("tool",), 5)
    assert (finished.stdout, finished.stderr, finished.returncode) == ("out\n", "err\n", 3)


def test_programs_speak_english_and_print_utc(folder: Path) -> None:
    finished = script(folder, 'echo "$LC_ALL $TZ"; cat').run(("tool",), 5)
    assert finished.stdout == "C UTC\n"


def test_a_program_that_is_not_installed_says_so(folder: Path) -> None:
    with pytest.raises(ProgramMissingError, match="nothing-like-it is not installed"):
        Programs(str(folder)).run(("nothing-like-it",), 5)


def test_a_file_that_is_no_program_is_an_error_and_no_crash(folder: Path) -> None:
    (folder / "tool").write_bytes(b"\x7fnot a program")
    (folder / "tool").chmod(0o755)
    with pytest.raises(ProgramError, match="could not be started"):
        Programs(str(folder)).run(("tool",), 5)


def test_a_hanging_program_is_killed_with_its_children(folder: Path) -> None:
    programs = script(folder, f"sleep 600 & echo $! > {folder}/child; wait")
    with pytest.raises(ProgramError, match=r"tool gave no answer within 0\.3 s"):
        programs.run(("tool",), 0.3)
    assert has_ended(folder / "child")


def test_a_program_that_ignores_sigterm_is_killed_too(folder: Path) -> None:
    programs = script(folder, f"trap '' TERM; echo $$ > {folder}/self; while :; do sleep 0.1; done")
    with pytest.raises(ProgramError, match="no answer"):
        programs.run(("tool",), 0.3)
    assert has_ended(folder / "self")


def test_a_program_that_floods_is_cut_off(folder: Path) -> None:
    programs = script(folder, f"echo $$ > {folder}/self; exec yes 0123456789012345678901234567890123456789")
    started_at = time.monotonic()
    with pytest.raises(ProgramError, match="printed more than 2 MiB"):
        programs.run(("tool",), 30)
    assert time.monotonic() - started_at < 10
    assert has_ended(folder / "self")


def test_a_flood_of_errors_is_cut_without_failing(folder: Path) -> None:
    finished = script(folder, "head -c 300000 /dev/zero | tr '\\0' x >&2; echo fine").run(("tool",), 10)
    assert finished.stdout == "fine\n"
    assert len(finished.stderr) == 8 << 10


def test_what_a_program_leaves_behind_is_ended(folder: Path) -> None:
    programs = script(folder, f"sleep 600 >/dev/null 2>&1 & echo $! > {folder}/child; echo done")
    assert programs.run(("tool",), 5).stdout == "done\n"
    assert has_ended(folder / "child")


def test_a_child_that_keeps_the_pipe_open_does_not_keep_us_waiting(folder: Path) -> None:
    programs = script(folder, "echo done; sleep 600 & exit 0")
    assert programs.run(("tool",), 5).stdout == "done\n"


def test_lines_are_handed_over_one_by_one(folder: Path) -> None:
    lines: list[str] = []
    finished = script(folder, "printf 'a\\nb\\n'; sleep 0.05; printf 'c'").run(("tool",), 5, lines.append)
    assert lines == ["a", "b", "c"]
    assert finished.stdout == ""


class Unkillable:
    """Stands for the kernel that does not let a process go: signals get lost until `let_go`."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def __call__(self, group: int, number: int) -> None:
        self.groups.append(group)

    def let_go(self) -> None:
        for group in set(self.groups):
            os.killpg(group, signal.SIGKILL)


def test_a_program_that_survives_sigkill_is_abandoned_and_not_started_again(folder: Path) -> None:
    script(folder, "sleep 600")
    kernel = Unkillable()
    programs = Programs(f"{folder}:{PATH}", kill_group=kernel)
    with pytest.raises(ProgramError, match="no answer"):
        programs.run(("tool", "list"), 0.2)
    with pytest.raises(ProgramError, match=r"tool list has been stuck in the kernel for \d+ s \(process \d+\)"):
        programs.run(("tool", "list", "-H"), 0.2)
    assert programs.started_count == 1
    assert programs.stuck_commands() == ["tool list"]
    kernel.let_go()
    wait_for(lambda: not programs.stuck_commands())


def test_a_command_is_started_again_once_the_kernel_let_it_go(folder: Path) -> None:
    script(folder, f"[ -e {folder}/healed ] && echo fine && exit 0; sleep 600")
    kernel = Unkillable()
    programs = Programs(f"{folder}:{PATH}", kill_group=kernel)
    with pytest.raises(ProgramError, match="no answer"):
        programs.run(("tool", "list"), 0.2)
    kernel.let_go()
    (folder / "healed").touch()
    wait_for(lambda: not programs.stuck_commands())
    assert programs.run(("tool", "list"), 5).stdout == "fine\n"


def test_stopping_ends_what_runs_and_starts_nothing_more(folder: Path) -> None:
    programs = script(folder, f"echo $$ > {folder}/self.part; mv {folder}/self.part {folder}/self; sleep 600")
    failures: list[str] = []

    def ask() -> None:
        try:
            programs.run(("tool",), 60)
            failures.append("it ended by itself")
        except ProgramError as error:
            failures.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for((folder / "self").exists)
    programs.stop_all()
    asking.join(5)
    assert has_ended(folder / "self")
    with pytest.raises(ProgramError, match="stopping"):
        programs.run(("tool",), 5)
