"""Keeps the processes of one instance running: a log file each, restarts with a growing pause, one common stop."""
from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev import processes

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 20.0
# A process that lived this long starts over with the shortest pause.
STEADY_SECONDS = 15.0
# When many are gone at once, the first of the Procfile come up first: loading the code keeps a core busy for seconds.
AT_ONCE = 2
APART = 1.5
LOG_LIMIT = 20 * 1024 * 1024


@dataclass
class Program:
    """One line of the Procfile, or the simulator."""

    name: str
    command: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0

    @property
    def kind(self) -> str:
        return self.name.split("-")[0]


def read_procfile(path: Path) -> list[Program]:
    lines = re.findall(r"^([A-Za-z0-9_-]+):\s*(.+)$", path.read_text(), re.MULTILINE)
    return [Program(name, command) for name, command in lines]


class Supervisor:
    def __init__(
        self, *, folder: Path, logs: Path, env: Mapping[str, str], say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.logs = logs
        self.env = env
        self.say = say
        self.changed = changed
        self.programs: list[Program] = []
        logs.mkdir(parents=True, exist_ok=True)

    def add(self, program: Program) -> None:
        self.programs.append(program)
        self._start(program)

    def log_of(self, program: Program) -> Path:
        return self.logs / f"{program.name}.log"

    def log_end(self, name: str, lines: int = 15) -> str:
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def watch(self) -> None:
        """One look: note who has gone, start again those whose pause is over."""
        for program in self.programs:
            if program.process is not None and program.process.poll() is not None:
                self._gone(program)
        moment = time.monotonic()
        starting = sum(program.process is not None and moment - program.started < APART for program in self.programs)
        waiting = [program for program in self.programs if program.process is None and moment >= program.due]
        for program in waiting[: max(0, AT_ONCE - starting)]:
            self._start(program)

    def restart(self, kinds: set[str]) -> None:
        """Stop these; the next looks start them."""
        chosen = [program for program in self.programs if program.kind in kinds]
        self._stop(chosen)
        for program in chosen:
            program.failures, program.due = 0, 0.0
        self.changed()

    def stop(self) -> None:
        self._stop(self.programs)

    def _start(self, program: Program) -> None:
        log = self.log_of(program)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            program.process = processes.start(
                ["/bin/sh", "-c", f"exec {program.command}"], output=output, cwd=self.folder, env=self.env
            )
        program.started = time.monotonic()
        self.changed()

    def _gone(self, program: Program) -> None:
        assert program.process is not None
        code = program.process.returncode
        # The children of a process that was killed would keep its port.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.failures = 0 if time.monotonic() - program.started > STEADY_SECONDS else program.failures + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, program.failures - 1))
        program.due = time.monotonic() + pause
        program.process = None
        self.changed()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self.say(f"{program.name} {how}; starting it again in {pause:.1f} s (log: {self.log_of(program)})")

    def _stop(self, programs: list[Program]) -> None:
        """Ask all at once, then wait for each: together they take as long as the slowest."""
        running = [(program, program.process) for program in programs if program.process is not None]
        for _, process in running:
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        for program, process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            if process.poll() is None:
                self.say(f"{program.name} does not stop, killing it")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            program.process = None
