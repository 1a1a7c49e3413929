"""What bench.push runs in a process of its own: `python -m bench.pushing MEMBERS CHUNK` pushes a campaign to a segment,
does the same by bare INSERT..SELECTs, and prints the seconds of both as JSON.

Both give every member of the segment a coupon, chunk by chunk of the same size, each chunk in a transaction of its own,
into the same tables with their keys, constraints and triggers; a chunk of the one follows a chunk of the other. The
bare one is three INSERT..SELECTs of rows that were made and stored beforehand. Ours takes the audience from its
snapshot, holds the members, asks who wants no advertising, has one already or is kept out, makes codes, takes stock,
counts and notes how far it is. Writing the snapshot down counts as ours too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.events import PushAdvanced
from app.coupons.issue_models import CouponPush
from app.coupons.rules import Terms
from app.flows import push as pushes
from app.org.models import Brand
from app.segments import commands as segments
from bench import common
from bench.seed import claimed_before
from wsgi import app

FIRST = 300_000_000_000_000_000  # ids as large as the application's

_MEMBERS = text(f"""
INSERT INTO member (brand_id, member_id, person_id, number, gender, status, source, joined_at, correlation_id)
SELECT :brand_id, {FIRST} + n, {FIRST} + n, n::text, 0, 'active', 'bench', now(), 'bench'
FROM generate_series(1, :members) n
""")
_UNWILLING = text(f"""
INSERT INTO opt_out (brand_id, member_id, purpose, channel, since)
SELECT :brand_id, {FIRST} + n, 'marketing', channel, now()
FROM generate_series(1, :members, 50) n CROSS JOIN (VALUES ('any'), ('miniapp'), ('sms')) c (channel)
""")
_READY = """
CREATE UNLOGGED TABLE bench_ready (n bigint PRIMARY KEY, member_id bigint, coupon_id bigint, code text)
"""
_BARE = (
    """
    INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,
                        valid_to, source, source_ref, correlation_id)
    SELECT :brand_id, member_id, coupon_id, :campaign_id, 1, 1, code, 'claimed', now(), now(),
           now() + interval '7 days', 'push', 'push:1', 'bench'
    FROM bench_ready WHERE n > :low AND n <= :high
    """,
    """
    INSERT INTO coupon_code (code, brand_id, member_id, coupon_id)
    SELECT code, :brand_id, member_id, coupon_id FROM bench_ready WHERE n > :low AND n <= :high
    """,
    """
    INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, to_status, cause, at, correlation_id)
    SELECT :brand_id, member_id, coupon_id, coupon_id, 'claimed', 'push', now(), 'bench'
    FROM bench_ready WHERE n > :low AND n <= :high
    """,
)


def measure(members: int, chunk: int) -> list[dict[str, Any]]:
    brand_id, campaigns = _seed(members)
    ours, bare = 0.0, 0.0
    with transaction():
        rule = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}
        segment = segments.save_segment(brand_id=brand_id, name="everybody", rule=rule)
        push_id = pushes.start(
            brand_id=brand_id, campaign_id=campaigns[1], segment_id=segment, hold_out_bp=100, created_by="bench"
        ).push_id
    event = PushAdvanced(brand_id=brand_id, push_id=push_id, campaign_id=campaigns[1])
    low = 0
    while _status(brand_id, push_id) == "running":
        bare += _timed(lambda low=low: _bare(brand_id, campaigns[0], low, low + chunk))  # type: ignore[misc]
        ours += _timed(lambda: pushes.go_on(event, chunk=chunk))
        low += chunk
    with transaction():
        push = session.get_one(CouponPush, (brand_id, push_id), populate_existing=True)
        given = session.scalar(text("SELECT count(*) FROM coupon WHERE campaign_id = :it"), {"it": campaigns[0]})
        pushed = session.scalar(text("SELECT count(*) FROM coupon WHERE campaign_id = :it"), {"it": campaigns[1]})
        if push.status != "done" or push.audience != members or given != members or pushed != push.issued:
            raise RuntimeError(f"the push is {push.status} with {push.issued} coupons, the bare one gave {given}")
        return [_row("bare", members, bare), _row("push", push.issued, ours)]


def _seed(members: int) -> tuple[int, list[int]]:
    with transaction():
        brand = Brand(code="bench", name="Bench")
        session.add(brand)
        session.flush()
        session.execute(_MEMBERS, {"brand_id": brand.id, "members": members})
        session.execute(_UNWILLING, {"brand_id": brand.id, "members": members})
        terms = Terms(kind="amount", amount_fen=100, valid_days=7)
        made = [
            commands.create_campaign(brand_id=brand.id, code=code, name=code, terms=terms, quota=2 * members)
            for code in ("bare", "push")
        ]
        session.connection().exec_driver_sql(_READY)
        driver = session.connection().connection.driver_connection
        with driver.cursor() as cursor, cursor.copy("COPY bench_ready FROM STDIN") as copy:  # type: ignore[union-attr]
            for n, (coupon_id, code) in enumerate(
                zip(ids.new_ids(members), codes.new_codes(members), strict=True), 1
            ):
                copy.write_row((n, FIRST + n, coupon_id, code))
        brand_id = brand.id
        claimed_before(brand_id)
    common.settle(_url())
    return brand_id, made


def _url() -> str:
    return str(session.get_bind().url.render_as_string(hide_password=False)).replace("+psycopg", "")  # type: ignore[union-attr]


def _bare(brand_id: int, campaign_id: int, low: int, high: int) -> None:
    for statement in _BARE:
        session.execute(
            text(statement), {"brand_id": brand_id, "campaign_id": campaign_id, "low": low, "high": high}
        )


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    with transaction():
        work()
    return time.perf_counter() - begun


def _status(brand_id: int, push_id: int) -> str:
    with transaction():
        return session.get_one(CouponPush, (brand_id, push_id), populate_existing=True).status


def _row(target: str, coupons: int, seconds: float) -> dict[str, Any]:
    return {
        "target": target,
        "coupons": coupons,
        "seconds": round(seconds, 3),
        "per_second": round(coupons / seconds, 1),
    }


def main() -> None:
    with app.app_context():
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    main()
