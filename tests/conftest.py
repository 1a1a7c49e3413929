"""Real PostgreSQL and Redis under every test that touches them.

The test process starts throwaway services (or uses DATABASE_URL and REDIS_URL), migrates one template database and
copies it per worker. Tests commit for real, through every connection the product uses; what they wrote is deleted
after each test. Nothing of ours is mocked.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from chromium import chromium
from hypothesis import HealthCheck, settings
from pay_keys import pay_environment
from sqlalchemy import update
from tencent import tencent, world

from app.core import outbox, work
from app.core import redis as core_redis
from app.core.db import session
from app.core.transaction import transaction
from dev.services import Services
from workers.jobs.tables import TABLES
from workers.jobs.work import perform

__all__ = ["chromium", "tencent", "world"]  # fixtures for every folder

# How fast a loaded machine makes examples says nothing of the code.
settings.register_profile("siyu", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("siyu")

_SERVICES = pytest.StashKey[Services]()


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def _environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "SIYU_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "test-" + "s" * 40,
        "ENCRYPTION_KEYS": "t1:" + base64.b64encode(bytes(range(32))).decode(),
        "BLIND_INDEX_KEY": base64.b64encode(bytes(range(32, 64))).decode(),
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "WECOM_API_BASE": "http://wecom.test",
        "WECHAT_API_BASE": "http://wechat.test",
        "WECHAT_OPEN_BASE": "http://open.test",
        "LOG_LEVEL": "WARNING",
        **pay_environment(),
    }


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is None:
        if config.option.collectonly:
            os.environ.update(_environment("postgresql://localhost/none", "redis://localhost"))
            return
        services = Services.throwaway()
        services.start()
        config.stash[_SERVICES] = services
        os.environ["SIYU_TEST_DATABASE"] = services.database_url
        os.environ["SIYU_TEST_REDIS"] = services.redis_url
        name = f"siyu_template_{os.getpid()}"
        os.environ["SIYU_TEST_TEMPLATE"] = name
        _create(name)
        os.environ.update(_environment(_with_path(services.database_url, name), _with_path(services.redis_url, "0")))
        _migrate()
        number = 0
    else:
        number = int(worker["workerid"].removeprefix("gw")) + 1
    name = f"{os.environ['SIYU_TEST_TEMPLATE']}_{number}"
    _create(name, template=os.environ["SIYU_TEST_TEMPLATE"])
    os.environ.update(
        _environment(
            _with_path(os.environ["SIYU_TEST_DATABASE"], name), _with_path(os.environ["SIYU_TEST_REDIS"], str(number))
        )
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    services = config.stash.get(_SERVICES, None)
    if services is not None:
        with _admin() as connection:
            template = os.environ["SIYU_TEST_TEMPLATE"]
            for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
                if name.startswith(template):
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        services.stop()


def _admin() -> psycopg.Connection:
    return psycopg.connect(os.environ["SIYU_TEST_DATABASE"], autocommit=True)


def _create(name: str, template: str = "template0") -> None:
    with _admin() as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')


def _migrate() -> None:
    """In a process of its own, so that this one opens its pools on the copy."""
    subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"], check=True)


@pytest.fixture(scope="session")
def application():  # type: ignore[no-untyped-def]
    """The one application of this test process, on its own database. Imported late: it reads the environment."""
    from wsgi import app  # noqa: PLC0415

    return app


@pytest.fixture
def app(application):  # type: ignore[no-untyped-def]
    """The application with its context pushed; the database and Redis are emptied afterwards."""
    with application.app_context():
        yield application
        session.remove()
    _empty()
    core_redis.connection().flushdb()


@pytest.fixture
def emptied(app) -> Callable[[], None]:  # type: ignore[no-untyped-def]
    """Empties the database, for tests that begin anew many times."""

    def empty() -> None:
        session.remove()
        _empty()

    return empty


def _empty() -> None:
    """Delete every row, past append-only triggers and foreign keys; deleting beats TRUNCATE on small tables."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            """
            DO $$
            DECLARE name text; found boolean;
            BEGIN
              SET LOCAL session_replication_role = replica;
              FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
              LOOP
                EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO found;
                IF found THEN EXECUTE format('DELETE FROM %I', name); END IF;
              END LOOP;
            END $$
            """
        )


@pytest.fixture
def client(app):  # type: ignore[no-untyped-def]
    return app.test_client()


@pytest.fixture
def redis(app):  # type: ignore[no-untyped-def]
    """The test process's own Redis database, empty."""
    return core_redis.connection()


@pytest.fixture
def run_work(app) -> Iterator[Callable[[], int]]:  # type: ignore[no-untyped-def]
    """A function that does in this process what relay and workers do, until nothing is due; returns rows handled.

    What a subscriber wants to hear of only after a while is heard of at once.
    """

    def drain() -> int:
        handled = 0
        while True:
            with transaction():
                moved = outbox.fan_out(500)
                session.execute(
                    update(outbox.Delivery)
                    .where(outbox.Delivery.attempts == 0, outbox.Delivery.status == "due")
                    .values(due_at=outbox.Delivery.created_at)
                )
            for table in TABLES.values():
                for queue in work.QUEUES:
                    with transaction():
                        row_ids = work.due(table.model, queue, 100)
                    perform(table.name, row_ids)
                    moved += len(row_ids)
            handled += moved
            if not moved:
                return handled

    yield drain
