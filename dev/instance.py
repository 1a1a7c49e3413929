"""One instance of the whole product in the foreground: `run`, and `stop`, `restart-workers`, `around` from elsewhere.

`run` brings the checkout up to date, starts PostgreSQL and Valkey, migrates, seeds an empty database with the
demonstration brand (SEED=0 leaves it empty), starts the processes of the Procfile and the simulator of Tencent's
servers, prints `ready` with the addresses, plays a gentle Saturday launch so that whoever looks sees things happen
(LIVE=0 leaves it quiet), and keeps everything up until Ctrl-C or `stop`.
"""
from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

from dev import environment, processes, services
from dev.bootstrap import PYTHON, BootstrapError, bootstrap
from dev.environment import CHECKOUT, INSTANCE, VAR
from dev.services import Services, ServicesError
from dev.supervisor import Program, Supervisor, read_procfile

READY_SECONDS = 240  # seconds of waiting for one process; far less on an idle machine
_HEALTH = {"web": "/healthz", "simulator": "/_control/status"}
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class InstanceError(RuntimeError):
    pass


class Instance:
    def __init__(self, started: Services) -> None:
        self.services = started
        self.ports = environment.choose_ports()
        self.env = environment.build(started.environment, self.ports)
        self.credentials: dict[str, object] = {}
        self.is_ready = False
        self.supervisor = Supervisor(
            folder=CHECKOUT, logs=VAR / "log", env=self.env, say=say, changed=self.write
        )
        self._restart_asked = False

    def run(self, begun: float) -> None:
        """Bring everything up and keep it so. `begun` is when the whole start began, by the monotonic clock."""
        signal.signal(signal.SIGUSR1, self._ask_restart)
        try:
            self._flask("db", "upgrade")
            if "WXPAY_BRAND_ID" not in self.env:
                # RSA keys need the product's libraries, which this script does not have.
                made = json.loads(self._flask("simulate", "pay-keys", capture=True))
                self.env.update(environment.keep_secrets(made))
            serve = f"flask --app wsgi simulate serve --port {self.ports['simulator']}"
            self.supervisor.add(Program("simulator", serve))
            self._wait_for("simulator")
            seeded = self.env.get("SEED") != "0"
            if seeded:
                self._flask("demo", "seed")
            for program in read_procfile(CHECKOUT / "Procfile"):
                self.supervisor.add(program)
            if seeded:
                self.credentials = json.loads(self._flask("demo", "credentials", capture=True))
            self._wait_for("web")
            self.is_ready = True
            self.write()
            self._announce(time.monotonic() - begun)
            if seeded and self.env.get("LIVE") != "0":
                self._flask("demo", "play")
            while True:
                self.supervisor.watch()
                for name in self.services.revive():
                    say(f"{name} had died and was started again (log: {self.services.folder / name}.log)")
                    self.write()
                if self._restart_asked:
                    self._restart_asked = False
                    say("restarting the workers, the relay and the schedule")
                    self.supervisor.restart({"worker", "relay", "schedule"})
                time.sleep(0.2)
        finally:
            self.is_ready = False
            INSTANCE.unlink(missing_ok=True)
            self.supervisor.stop()

    def write(self) -> None:
        """var/instance.json: what a client outside needs, kept true while processes come and go; there when ready."""
        if not self.is_ready:
            return
        web, simulator = (f"http://{processes.HOST}:{self.ports[name]}" for name in ("web", "simulator"))
        running = [
            {"name": program.name, "kind": program.kind, "pid": program.process.pid}
            for program in self.supervisor.programs
            if program.process is not None
        ]
        running += [{"name": name, "kind": "service", "pid": pid} for name, pid in self.services.pids.items()]
        described = {
            "pid": os.getpid(),
            "web_url": web,
            "simulator_url": simulator,
            "control_url": f"{simulator}/_control",
            "database_url": self.services.database_url,
            "redis_url": self.services.redis_url,
            **self.credentials,
            "processes": running,
        }
        environment.write_private(INSTANCE, json.dumps(described, indent=2, ensure_ascii=False) + "\n")

    def _flask(self, *arguments: str, capture: bool = False) -> str:
        done = subprocess.run(
            [PYTHON, "-m", "flask", "--app", "wsgi", *arguments], cwd=CHECKOUT, text=True, check=False,
            env={**self.env, "LOG_LEVEL": "WARNING"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
        )  # fmt: skip
        if done.returncode != 0:
            raise InstanceError(f"`flask --app wsgi {' '.join(arguments)}` failed")
        return done.stdout if capture else ""

    def _wait_for(self, name: str) -> None:
        url = f"http://{processes.HOST}:{self.ports[name]}{_HEALTH[name]}"
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(url):
            self.supervisor.watch()
            if time.monotonic() > deadline or any(program.failures >= 4 for program in self.supervisor.programs):
                raise InstanceError(f"{name} does not come up; the end of its log:\n{self.supervisor.log_end(name)}")
            time.sleep(0.1)

    def _announce(self, seconds: float) -> None:
        web, simulator = (f"http://{processes.HOST}:{self.ports[name]}" for name in ("web", "simulator"))
        pages = self.credentials.get("pages")
        shown = {"web": web, "simulator": simulator, **(pages if isinstance(pages, dict) else {})}
        print(f"ready after {seconds:.0f} s", flush=True)
        for name, address in shown.items():
            print(f"  {name:<12} {address}", flush=True)
        print(f"  {'logins':<12} {INSTANCE}\n  {'logs':<12} {VAR / 'log'}\nCtrl-C stops it.", flush=True)

    def _ask_restart(self, _signal: int, _frame: object) -> None:
        self._restart_asked = True


def say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def _answers(url: str) -> bool:
    try:
        with _direct.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold var/instance.lock, with our process number in it, as long as we run."""
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / "instance.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = environment.read_instance().get("web_url", "it is still starting")
            raise InstanceError(f"an instance of this checkout runs already: {where} (`make stop` stops it)") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def run() -> int:
    begun = time.monotonic()
    try:
        with processes.terminated_as_interrupt(), _only_one():
            INSTANCE.unlink(missing_ok=True)  # of one that was killed
            bootstrap()
            with Services(VAR / "services") as started:
                try:
                    Instance(started).run(begun)
                finally:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C would leave data unsaved
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt:
        say("stopped")
        return 0
    except (InstanceError, BootstrapError, ServicesError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _running() -> int | None:
    """The process number of this checkout's instance: the holder of the lock, nobody else's."""
    try:
        with (VAR / "instance.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0) or None
    except OSError:
        pass
    return None


def _signal_running(sent: signal.Signals) -> int | None:
    pid = _running()
    if pid is None or "dev" not in processes.command_line(pid):
        print("no instance of this checkout is running")
        return None
    os.kill(pid, sent)
    return pid


def stop() -> int:
    pid = _signal_running(signal.SIGTERM)
    if pid is not None and not processes.wait_until(lambda: _running() is None, 60, pause=0.1):
        print(f"process {pid} has not stopped after a minute", file=sys.stderr)
        return 1
    return 0


def restart_workers() -> int:
    return 0 if _signal_running(signal.SIGUSR1) else 1


def remove_data() -> None:
    """Remove var/ with all data, also what stands elsewhere because `nobody` could not reach it."""
    for state in VAR.glob("*/services.json"):
        services.remove(state.parent)
    shutil.rmtree(VAR, ignore_errors=True)


def running_environment() -> dict[str, str]:
    """The environment of the running instance's processes, for a command beside them."""
    described = environment.read_instance()
    if not described:
        raise InstanceError("no instance of this checkout is running")
    started = {"DATABASE_URL": described["database_url"], "REDIS_URL": described["redis_url"]}
    ports = {name: int(described[f"{name}_url"].rsplit(":", 1)[1]) for name in environment.PREFERRED_PORTS}
    return environment.build(started, ports)


def around(command: Sequence[str]) -> int:
    """Run a command while an instance is up: the one that runs already, or one of its own."""
    if _running() is not None and environment.read_instance():
        return subprocess.run(command, cwd=CHECKOUT, check=False).returncode
    try:
        with processes.terminated_as_interrupt():
            quiet = {**os.environ, "LIVE": "0"}
            instance = processes.start([sys.executable, "-m", "dev.instance", "run"], cwd=CHECKOUT, env=quiet)
            try:
                while environment.read_instance().get("pid") != instance.pid:
                    if instance.poll() is not None:
                        return 1
                    time.sleep(0.2)
                return subprocess.run(command, cwd=CHECKOUT, check=False).returncode
            finally:
                processes.stop(instance, signal.SIGTERM, patience=60)
    except KeyboardInterrupt:
        return 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m dev.instance", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["run", "stop", "restart-workers", "around"])
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="for `around`")
    options = parser.parse_args()
    if options.command == "around":
        return around(options.argv[1:] if options.argv[:1] == ["--"] else options.argv)
    return {"run": run, "stop": stop, "restart-workers": restart_workers}[options.command]()


if __name__ == "__main__":
    sys.exit(main())
