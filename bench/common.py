"""What the benchmarks share: a scratch database, a web server under test, a lean load client, the lines they print."""

from __future__ import annotations

import base64
import csv
import multiprocessing
import multiprocessing.queues
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg

from app.core import hot
from dev import processes
from dev.services import Services

CHECKOUT = Path(__file__).resolve().parent.parent
OUT = CHECKOUT / "bench" / "out"
CLIENTS = 8
WEB_WORKERS, WEB_THREADS = 2, 4
# The kernel deals connections out to the web workers by chance; new ones keep a lucky or unlucky deal short.
PER_CONNECTION = 25
_CONTEXT = multiprocessing.get_context("fork")


class Plan(NamedTuple):
    """How much is measured: rounds, requests per client over HTTP, transactions per client through pgbench. A `short`
    plan only shows that everything measures; parts that fill tables fill them with a fiftieth or so.
    """

    rounds: int
    requests: int
    transactions: int
    short: bool


FULL = Plan(rounds=5, requests=1500, transactions=3000, short=False)
SHORT = Plan(rounds=2, requests=200, transactions=500, short=True)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ratio(name: str, value: float, goal: float) -> None:
    """The one line per figure that others read."""
    print(f"ratio {name} {value:.3f} goal {goal}", flush=True)


def write_rows(name: str, rows: Sequence[dict[str, object]]) -> None:
    """The raw rows behind the figures, in bench/out/NAME.csv."""
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def median_rate(rows: Sequence[dict[str, object]], target: str) -> float:
    """The middle of a target's rates per second over the rounds."""
    return statistics.median(float(str(row["per_second"])) for row in rows if row["target"] == target)


@contextmanager
def services() -> Iterator[Services]:
    """Durable services of our own."""
    with Services(CHECKOUT / "var" / "bench") as running:
        yield running


@contextmanager
def scratch(services: Services) -> Iterator[dict[str, str]]:
    """A migrated database that is dropped afterwards, as the environment to use it."""
    name = f"siyu_bench_{os.getpid()}"
    with _admin(services) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    url = urlunsplit(urlsplit(services.database_url)._replace(path=f"/{name}"))
    environment = {
        **os.environ,
        "SIYU_ENV": "demo",
        "DATABASE_URL": url,
        "REDIS_URL": services.redis_url,
        "SECRET_KEY": "bench-" + base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "ENCRYPTION_KEYS": "b1:" + base64.b64encode(os.urandom(32)).decode(),
        "BLIND_INDEX_KEY": base64.b64encode(os.urandom(32)).decode(),
        "PUBLIC_URL": "http://127.0.0.1",
        "LOG_LEVEL": "WARNING",
    }
    try:
        python(environment, "-m", "flask", "--app", "wsgi", "db", "upgrade")
        yield environment
    finally:
        with _admin(services) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _admin(services: Services) -> psycopg.Connection:
    return psycopg.connect(services.database_url, autocommit=True)


def settle(database_url: str) -> None:
    """Write out and analyse what a seed left, so that the measurement does not pay for it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def python(environment: dict[str, str], *arguments: str) -> str:
    """Run a Python command of the checkout and return what it printed; its failure is ours."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@contextmanager
def served(application: str, environment: dict[str, str]) -> Iterator[int]:
    """An application under granian as it is deployed (two workers, four threads); yields its port."""
    port = processes.free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", processes.HOST, "--port", str(port),
        "--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS), "--log-level", "warning",
        "--workers-kill-timeout", "5", application,
    ]  # fmt: skip
    process = processes.start(command, cwd=CHECKOUT, env=environment)
    try:
        if not processes.wait_until(lambda: _listens(port), 30):
            raise RuntimeError(f"{application} does not serve")
        time.sleep(1)  # both workers, not just the first
        yield port
    finally:
        processes.stop(process, signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((processes.HOST, port)) == 0


def rate_row(number: int, target: str, per_second: float, median: float = 0, p99: float = 0) -> dict[str, object]:
    """A raw row: a round's rate for a target, with latencies (given in seconds) where there are some."""
    return {
        "round": number,
        "target": target,
        "per_second": round(per_second, 1),
        "median_ms": round(median * 1000, 2),
        "p99_ms": round(p99 * 1000, 2),
    }


class Load(NamedTuple):
    """What a load run found: answers per second, and latencies in seconds at the median and the 99th percentile."""

    per_second: float
    median: float
    p99: float


def load(port: int, requests: Sequence[Sequence[bytes]], expected: bytes = b"HTTP/1.1 200") -> Load:
    """Send each client's requests one after the other on its own connection, all clients at once.

    A client is a process with a blocking socket and requests made beforehand: some 20 microseconds a request, so that
    the server and not the client is measured. Any answer that does not begin with `expected` is an error.
    """
    gate = _CONTEXT.Barrier(len(requests) + 1)
    queue: multiprocessing.queues.SimpleQueue[tuple[list[float], bytes]] = _CONTEXT.SimpleQueue()
    clients = [
        _CONTEXT.Process(target=_client, args=(port, own, expected, gate, queue), daemon=True) for own in requests
    ]
    for client in clients:
        client.start()
    gate.wait(30)
    begun = time.perf_counter()
    results = [queue.get() for _ in clients]
    elapsed = time.perf_counter() - begun
    for client in clients:
        client.join()
    for _, wrong in results:
        if wrong:
            raise RuntimeError(f"unexpected answer: {wrong[:600]!r}")
    latencies = sorted(latency for taken, _ in results for latency in taken)
    return Load(len(latencies) / elapsed, latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100])


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _client(port: int, requests: Sequence[bytes], expected: bytes, gate: object, queue: object) -> None:
    latencies: list[float] = []
    wrong = b""
    gate.wait(30)  # type: ignore[attr-defined]
    for start in range(0, len(requests), PER_CONNECTION):
        with socket.create_connection((processes.HOST, port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in requests[start : start + PER_CONNECTION]:
                begun = time.perf_counter()
                answer = _exchange(connection, request)
                latencies.append(time.perf_counter() - begun)
                if not answer.startswith(expected):
                    wrong = answer or b"the connection was closed"
                    break
        if wrong:
            break
    queue.put((latencies, wrong))  # type: ignore[attr-defined]


def _exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and read its whole answer."""
    connection.sendall(request)
    answer = connection.recv(65536)
    while True:
        head, separator, rest = answer.partition(b"\r\n\r\n")
        if separator:
            length = _LENGTH.search(head)
            if length is None or len(rest) >= int(length[1]):
                return answer
        more = connection.recv(65536)
        if not more:
            return answer
        answer += more


def http_request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def shared_out(requests: Sequence[bytes], clients: int = CLIENTS) -> list[list[bytes]]:
    """The requests dealt out to the clients."""
    return [list(requests[number::clients]) for number in range(clients)]


_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


def pgbench(
    services: Services,
    database_url: str,
    script: Path,
    *,
    transactions: int,
    variables: dict[str, str],
    clients: int = CLIENTS,
) -> float:
    """Transactions per second of a script with prepared statements; `transactions`: of each client."""
    command = [
        str(services.pg_bin / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=2",
        f"--transactions={transactions}", f"--file={script}",
        *(f"--define={name}={value}" for name, value in variables.items()), database_url,
    ]  # fmt: skip
    environment = {**os.environ, "PGOPTIONS": hot.OPTIONS}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    found, failed = _TPS.search(done.stdout), _FAILED.search(done.stdout)
    if done.returncode or found is None or (failed is not None and failed[1] != "0"):
        raise RuntimeError(f"pgbench failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return float(found[1])


_PARAMETER = re.compile(r"%\((\w+)\)s")


def as_pgbench(statement: str, expressions: dict[str, str]) -> str:
    """A statement of the product as pgbench text: `%(name)s` becomes the expression for it, else the variable :name."""
    return _PARAMETER.sub(lambda match: expressions.get(match[1], f":{match[1]}"), statement).strip() + ";\n"
