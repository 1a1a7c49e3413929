from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from dev import processes
from dev.services import CHECKOUT, Services, ServicesError


@pytest.fixture(autouse=True)
def no_services_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="siyu-test-"))
    made.chmod(0o711)
    yield made
    state = made / "services.json"
    if state.exists():
        shutil.rmtree(json.loads(state.read_text())["home"], ignore_errors=True)
    shutil.rmtree(made, ignore_errors=True)


def query(services: Services, statement: str) -> object:
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]


def run_owner(folder: Path) -> subprocess.Popen[str]:
    """Another process that owns the services of the folder, until it is told otherwise."""
    script = f"""
        import sys, time
        from pathlib import Path
        from dev.services import Services
        with Services(Path({str(folder)!r})) as services:
            print(services.database_url, services.redis_url, *services.pids.values(), flush=True)
            time.sleep(600)
    """
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True)


def test_data_and_ports_survive_a_restart(folder: Path) -> None:
    with Services(folder) as services:
        query(services, "CREATE TABLE kept AS SELECT '张三' AS name")
        with redis.Redis.from_url(services.redis_url) as client:
            client.set("kept", "yes")
        addresses = services.environment
    with Services(folder) as services:
        assert services.environment == addresses
        assert query(services, "SELECT name FROM kept") == "张三"
        with redis.Redis.from_url(services.redis_url) as client:
            assert client.get("kept") == b"yes"


def test_the_cluster_is_what_the_product_needs(folder: Path) -> None:
    with Services(folder) as services:
        assert int(str(query(services, "SHOW server_version_num"))) >= 150000
        assert query(services, "SHOW fsync") == "on"
        assert query(services, "SHOW timezone") == "UTC"
        assert query(services, "SELECT datctype FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
        assert query(services, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 0
        for program in ("psql", "pgbench"):
            assert subprocess.run([services.pg_bin / program, "--version"], capture_output=True, check=True).stdout


def test_nobody_enters_without_the_password(folder: Path) -> None:
    with Services(folder) as services:
        password = json.loads((folder / "services.json").read_text())["password"]
        assert (folder / "services.json").stat().st_mode & 0o077 == 0
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(services.database_url.replace(password, "wrong"))
        with pytest.raises(redis.AuthenticationError), redis.Redis.from_url(
            services.redis_url.replace(f":{password}@", "")
        ) as client:
            client.ping()
        assert password not in "".join(processes.command_line(pid) for pid in services.pids.values())


def test_addresses_from_outside_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/siyu")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    with Services(folder) as services:
        assert services.environment == {"DATABASE_URL": "postgresql://elsewhere/siyu", "REDIS_URL": "redis://elsewhere/0"}
        assert services.pids == {}
    assert list(folder.iterdir()) == []


def test_one_folder_has_one_owner(folder: Path) -> None:
    with Services(folder), pytest.raises(ServicesError, match="another process"), Services(folder):
        pass


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_children_go_with_their_parent_and_the_data_stays(folder: Path, blow: signal.Signals) -> None:
    owner = run_owner(folder)
    assert owner.stdout is not None
    with owner.stdout:
        database_url, _, *pids = owner.stdout.readline().split()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        owner.send_signal(blow)
        owner.wait(10)
    with Services(folder) as services:  # without waiting: the old server may still be going down
        assert query(services, "SELECT one FROM kept") == 1
        assert not any(processes.is_alive(int(pid)) for pid in pids)


def test_a_crashed_server_recovers(folder: Path) -> None:
    with Services(folder) as services:
        query(services, "CREATE TABLE kept AS SELECT 1 AS one")
        os.kill(services.pids["postgres"], signal.SIGKILL)
        os.kill(services.pids["valkey"], signal.SIGKILL)
    with Services(folder) as services:
        assert query(services, "SELECT one FROM kept") == 1


def test_a_server_that_dies_comes_back_at_its_address(folder: Path) -> None:
    with Services(folder) as services:
        query(services, "CREATE TABLE kept AS SELECT 1 AS one")
        before = services.environment
        assert services.revive() == []
        for pid in services.pids.values():
            os.kill(pid, signal.SIGKILL)
        assert processes.wait_until(lambda: not any(map(processes.is_alive, services.pids.values())), 5)
        assert services.revive() == ["postgres", "valkey"]
        assert services.environment == before
        assert query(services, "SELECT one FROM kept") == 1


def test_a_pid_file_that_names_another_program_is_no_obstacle(folder: Path) -> None:
    with Services(folder) as services:
        home = Path(json.loads((folder / "services.json").read_text())["home"])
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        assert int(lines[0]) == services.pids["postgres"]
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (home / "data" / "postmaster.pid").write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        with Services(folder) as services:
            assert query(services, "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


def test_a_taken_port_is_avoided(folder: Path) -> None:
    with Services(folder) as services:
        before = services.environment
    port = json.loads((folder / "services.json").read_text())["postgres_port"]
    with processes.socket.create_server((processes.HOST, port)), Services(folder) as services:
        assert services.database_url != before["DATABASE_URL"]
        assert services.redis_url == before["REDIS_URL"]
        assert query(services, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the services another account")
def test_a_folder_that_nobody_cannot_reach(folder: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    with Services(hidden / "services") as services:
        assert query(services, "SELECT 1") == 1
        home = Path(json.loads((hidden / "services" / "services.json").read_text())["home"])
        assert home.parent == Path("/var/tmp")
    shutil.rmtree(home)


def test_throwaways_are_quick_and_leave_nothing() -> None:
    begun = time.monotonic()
    services = Services.throwaway()
    with services:
        assert query(services, "SHOW fsync") == "off"
        assert services.folder.exists()
    assert not services.folder.exists()
    assert time.monotonic() - begun < 20  # about 2 s on an idle machine
