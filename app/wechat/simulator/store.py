"""Keeps a world in one SQLite file: rows that changed since the last save, in one transaction."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import structlog

from app.wechat.simulator.engine.world import World

log = structlog.get_logger(__name__)
# A killed simulator may have lost the last second of its sequence; identifiers must not repeat after a restart.
SEQUENCE_GAP = 100_000


class Store:
    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        with self._connect() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE IF NOT EXISTS row (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key))")
        db.close()

    def load(self, world: World) -> int:
        """Fill `world` with what the file holds; answers the number of rows."""
        tables = {table.name: table for table in world.tables}
        count = 0
        db = self._connect()
        with world.lock:
            # rowid keeps the order of insertion, which `sent` is trimmed by.
            for kind, key, body in db.execute("SELECT kind, key, body FROM row ORDER BY rowid"):
                if kind in tables:
                    tables[kind].rows[key] = tables[kind].row_type(**json.loads(body))
                    count += 1
            world.reindex()
            if count:
                world.set_value("sequence", int(world.value("sequence", 0)) + SEQUENCE_GAP)
        db.close()
        return count

    def save(self, world: World) -> int:
        """Write the changed rows; answers their number. Rows are rendered under the world's lock, written outside."""
        with self._lock:
            puts: list[tuple[str, str, str]] = []
            drops: list[tuple[str, str]] = []
            with world.lock:
                for table in world.tables:
                    for key in table.dirty:
                        row = table.rows.get(key)
                        if row is None:
                            drops.append((table.name, key))
                        else:
                            puts.append((table.name, key, json.dumps(vars(row), ensure_ascii=False)))
                    table.dirty.clear()
            if not puts and not drops:
                return 0
            db = self._connect()
            with db:
                db.executemany(
                    "INSERT INTO row VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body", puts
                )
                db.executemany("DELETE FROM row WHERE kind = ? AND key = ?", drops)
            db.close()
            return len(puts) + len(drops)

    def start(self, world: World, every: float = 1.0) -> None:
        """Save in the background every `every` seconds until `stop`."""

        def run() -> None:
            while not self._stop.wait(every):
                try:
                    self.save(world)
                except Exception:
                    log.exception("simulator_save_failed")

        self._thread = threading.Thread(target=run, name="simulator-store", daemon=True)
        self._thread.start()

    def stop(self, world: World) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        self.save(world)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10)
