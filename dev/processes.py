"""Child processes: start them so that they die with us, stop them politely, and know which ones are ours."""
from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
# Below the range the kernel hands out to clients, so that nobody's outgoing connection sits on a port we kept.
_PORTS = range(20_000, 32_000)
_reserved: dict[int, int] = {}  # port -> descriptor of the lock that says so


class Account:
    """The operating system user that the services run as: PostgreSQL refuses root, so root lends it `nobody`."""

    def __init__(self) -> None:
        self.is_other = os.geteuid() == 0
        entry = pwd.getpwnam("nobody") if self.is_other else None
        self.uid = entry.pw_uid if entry else os.geteuid()
        self.gid = entry.pw_gid if entry else os.getegid()

    def own(self, path: Path) -> None:
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may walk into `folder`."""
        folder = folder.resolve()
        return not self.is_other or all(step.stat().st_mode & 0o001 for step in [folder, *folder.parents])

    def can_read(self, file: Path) -> bool:
        return not self.is_other or (self.can_enter(file.parent) and bool(file.stat().st_mode & 0o004))

    def arguments(self) -> dict[str, object]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


def free_port(preferred: int | None = None) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on: the preferred one when it is still free, else a random one.

    It stays ours until this process ends: two instances that start at the same moment must not both find it free (a
    web server that shares its port between workers would share it with the other instance as well).
    """
    for port in [*([preferred] if preferred else []), *random.sample(_PORTS, 50)]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            if _reserve(port):
                return port
    raise RuntimeError("no free port on 127.0.0.1")


def _reserve(port: int) -> bool:
    if port in _reserved:
        return True
    try:
        lock = os.open(Path(tempfile.gettempdir()) / f"siyu-port-{port}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return False  # somebody else's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _reserved[port] = lock
    return True


def _death_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """A preexec function that has the kernel send `sent` to the child when its parent is gone, however it went."""
    if not sys.platform.startswith("linux"):
        return None
    if threading.current_thread() is not threading.main_thread():
        # The kernel counts the starting thread as the parent: a child of a short-lived thread would die with it.
        raise RuntimeError("start child processes from the main thread")
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sent))
        if os.getppid() != parent:  # it went between fork and here
            os._exit(1)

    return prepare


def start(
    command: Sequence[str | Path],
    *,
    on_parent_death: signal.Signals = signal.SIGTERM,
    output: IO[bytes] | int | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own (Ctrl-C reaches only us) that is told to stop when we are gone."""
    return subprocess.Popen(  # type: ignore[call-overload,misc]
        [str(part) for part in command],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=cwd,
        env=None if env is None else dict(env),
        start_new_session=True,
        preexec_fn=_death_with_parent(on_parent_death),
        **(account.arguments() if account else {}),
    )


def stop(process: subprocess.Popen[bytes], sent: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
    """Ask the child to stop; after `patience` seconds kill it and what it left in its session."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(sent)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return True


def command_line(pid: int) -> str:
    """The command line of a process, or an empty text when there is none to see."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def works_in(pid: int, folder: Path) -> bool:
    """Whether the process has the folder as its working directory (where the system tells)."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        return not Path("/proc/self").exists()


def let_go(is_ours: Callable[[], bool], pid: int, sent: signal.Signals, patience: float = 30) -> bool:
    """Wait for a server of ours whose owner is gone to stop by itself, then tell it to; True when it has gone."""
    if wait_until(lambda: not is_ours(), 5):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sent)
    return wait_until(lambda: not is_ours(), patience)


def wait_until(ready: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(pause)
    return ready()


@contextlib.contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block the way Ctrl-C does, so that its clean-up runs.

    Ctrl-C itself is set too: a shell starts background jobs with it ignored. An ignored SIGHUP (nohup) stays so.
    """

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
