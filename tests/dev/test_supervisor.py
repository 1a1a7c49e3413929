from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import processes
from dev.supervisor import Program, Supervisor, read_procfile


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(
        folder=tmp_path, logs=tmp_path / "log", env=dict(os.environ), say=said.append, changed=lambda: None
    )
    yield made
    made.stop()


def pid_of(program: Program) -> int:
    assert program.process is not None
    return program.process.pid


def watch_until_restarted(supervisor: Supervisor, program: Program, old: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        supervisor.watch()
        if program.process is not None and program.process.pid != old:
            return True
        time.sleep(0.05)
    return False


def test_a_killed_process_is_started_again_within_seconds(supervisor: Supervisor, said: list[str]) -> None:
    program = Program("worker-bulk", "sleep 60")
    supervisor.add(program)
    old = pid_of(program)
    os.kill(old, signal.SIGKILL)
    assert watch_until_restarted(supervisor, program, old)
    assert "worker-bulk was ended by SIGKILL" in said[0]
    assert program.kind == "worker"


def test_the_pause_grows_for_a_process_that_cannot_start(supervisor: Supervisor) -> None:
    program = Program("web", "exit 3")
    supervisor.add(program)
    pauses = []
    while len(pauses) < 3:
        assert program.process is not None
        program.process.wait(5)
        supervisor.watch()
        pauses.append(program.due - time.monotonic())
        program.due = 0
        supervisor.watch()
    assert pauses == sorted(pauses)
    assert pauses[2] > 1.5


def test_children_of_a_killed_process_do_not_keep_its_port(supervisor: Supervisor, tmp_path: Path) -> None:
    program = Program("web", "sh -c 'sleep 60 & echo $! > child; wait'")
    supervisor.add(program)
    assert processes.wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "", 5)
    child = int((tmp_path / "child").read_text())
    old = pid_of(program)
    os.kill(old, signal.SIGKILL)
    assert watch_until_restarted(supervisor, program, old)
    assert processes.wait_until(lambda: not processes.is_alive(child), 5)


def test_a_restart_takes_only_the_chosen_kinds(supervisor: Supervisor) -> None:
    web, worker = Program("web", "sleep 60"), Program("worker-bulk", "sleep 60")
    supervisor.add(web)
    supervisor.add(worker)
    before = pid_of(web), pid_of(worker)
    supervisor.restart({"worker"})
    assert watch_until_restarted(supervisor, worker, before[1])
    assert pid_of(web) == before[0]


def test_the_first_of_the_list_come_back_first(supervisor: Supervisor) -> None:
    programs = [Program(f"worker-{number}", "sleep 60") for number in range(3)]
    for program in programs:
        supervisor.add(program)
        program.started = 0.0  # long ago
    for program in programs:
        os.kill(pid_of(program), signal.SIGKILL)
        assert program.process is not None
        program.process.wait(5)
    supervisor.watch()
    for program in programs:
        program.due = 0.0
    supervisor.watch()
    assert [program.process is not None for program in programs] == [True, True, False]
    assert watch_until_restarted(supervisor, programs[2], 0)


def test_stop_lets_processes_finish_and_their_words_are_in_the_log(supervisor: Supervisor) -> None:
    script = "import signal, sys, time; signal.signal(15, lambda *_: (print('finished'), sys.exit(0)))"
    program = Program("relay", f'{sys.executable} -c "{script}; print(1, flush=True); time.sleep(60)"')
    supervisor.add(program)
    assert processes.wait_until(lambda: "1" in supervisor.log_end("relay"), 10)
    supervisor.stop()
    assert "finished" in supervisor.log_end("relay")


def test_the_procfile_holds_production_processes_only() -> None:
    programs = read_procfile(Path(__file__).parents[2] / "Procfile")
    assert {program.name for program in programs} == {
        "web", "worker-callbacks", "worker-messages", "worker-default", "worker-bulk", "relay", "schedule",
    }  # fmt: skip
    assert not any("simulate" in program.command or "demo" in program.command for program in programs)
