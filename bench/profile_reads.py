"""Reads the profile of random members; `python -m bench.profile_reads BRAND MEMBERS READS` prints as JSON what each
took in milliseconds and how many statements it sent.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from sqlalchemy import event

from app.core import hot
from app.core.db import db, session
from app.dashboards.queries import members as gate
from app.dashboards.queries import profile, timeline
from app.dashboards.reach import Reach
from bench.members import MEMBER
from wsgi import app

PAGE, WARM = 51, 20


def read(brand_id: int, members: int, reads: int) -> list[dict[str, object]]:
    """What each reading took; the first of them warm the process up and are not counted."""
    rows: list[dict[str, object]] = []
    sent: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _k, statement, *_: sent.append(statement))
    hot.fetch_one, hot.fetch_all = _noted(hot.fetch_one, sent), _noted(hot.fetch_all, sent)
    for number in range(reads + WARM):
        member_id = MEMBER + random.randint(1, members)
        sent.clear()
        begun = time.perf_counter()
        member = gate.visible(Reach(brand_id), member_id)
        assert member is not None
        found, moments = profile.of(member), timeline.of(member, limit=PAGE)
        took = (time.perf_counter() - begun) * 1000
        if number >= WARM:
            rows.append(
                {"ms": round(took, 2), "statements": len(sent), "orders": found.orders, "moments": len(moments)}
            )
        session.rollback()
    return rows


def _noted(fetch: Any, sent: list[str]) -> Any:
    def fetching(statement: str, parameters: Any) -> Any:
        sent.append(statement)
        return fetch(statement, parameters)

    return fetching


def main() -> None:
    with app.app_context():
        print(json.dumps(read(*map(int, sys.argv[1:4]))))


if __name__ == "__main__":
    main()
