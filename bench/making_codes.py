"""What bench.redeem_codes runs in a process of its own: `python -m bench.making_codes CODES ROUNDS` makes batches of
codes, copies the same rows, and prints the seconds of both as JSON.

Ours draws the codes, makes their MACs, seals the plain ones for the export and writes everything chunk by chunk, each
in a transaction of its own, as workers do. The floor is one COPY of rows that were stored in a file beforehand, into an
empty table of the same columns, key, index and constraints. A round of the one follows a round of the other.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import text

from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.events import CodesDue
from app.coupons.issue_models import RedeemBatch
from app.coupons.rules import Terms
from app.org.models import Brand
from wsgi import app

_COLUMNS = "mac, brand_id, batch_id, number"
_BLOCK = 1 << 20


def measure(size: int, rounds: int) -> list[dict[str, Any]]:
    with transaction():
        brand = Brand(code="bench", name="Bench")
        session.add(brand)
        session.flush()
        brand_id = brand.id
        terms = Terms(kind="amount", amount_fen=100, valid_days=7)
        campaign_id = commands.create_campaign(brand_id=brand_id, code="bench", name="Bench", terms=terms, quota=size)
    _made(brand_id, campaign_id, min(size, 1000))  # a first time, for what a process has to prepare once
    rows = []
    with tempfile.NamedTemporaryFile(prefix="siyu-bench-codes-") as file:
        for _ in range(rounds):
            seconds = _made(brand_id, campaign_id, size)
            rows.append(_row("codes", size, seconds))
            rows.append(_row("copy", size, _copied(file.name)))
    return rows


def _made(brand_id: int, campaign_id: int, size: int) -> float:
    """Seconds that a batch of codes takes, in an empty table."""
    with transaction():
        session.execute(text("TRUNCATE redeem_code, redeem_code_sealed"))
        batch_id = commands.order_codes(
            brand_id=brand_id, campaign_id=campaign_id, name="bench", size=size, ends_at=None, created_by="bench"
        ).batch_id
    begun, event = time.perf_counter(), CodesDue(brand_id=brand_id, batch_id=batch_id)
    while True:
        with transaction():
            commands.make_codes(event)
        with transaction():
            batch = session.get_one(RedeemBatch, (brand_id, batch_id), populate_existing=True)
            if batch.status == "ready":
                break
    seconds = time.perf_counter() - begun
    with transaction():
        found = session.scalar(text("SELECT count(*) FROM redeem_code"))
        if found != size:
            raise RuntimeError(f"{found} codes were made instead of {size}")
    return seconds


def _copied(path: str) -> float:
    """Seconds that a COPY of the rows that are there takes into an empty table of the same kind."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        with open(path, "wb") as file, connection.cursor().copy(f"COPY redeem_code ({_COLUMNS}) TO STDOUT") as rows:
            for block in rows:
                file.write(block)
        connection.execute("TRUNCATE redeem_code")
    return _timed(lambda: _copy(path))


def _copy(path: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        with open(path, "rb") as file, connection.cursor().copy(f"COPY redeem_code ({_COLUMNS}) FROM STDIN") as rows:
            while block := file.read(_BLOCK):
                rows.write(block)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _row(target: str, codes: int, seconds: float) -> dict[str, Any]:
    return {"target": target, "codes": codes, "seconds": round(seconds, 3), "per_second": round(codes / seconds, 1)}


def main() -> None:
    with app.app_context():
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    main()
