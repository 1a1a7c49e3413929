"""A process of its own with many hands: `hands.py claim BRAND CAMPAIGN MEMBERS` has so many new members claim, and
prints how often each answer was given. `hands.py order ...`: see `order`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from coupon_factories import BASKET, key

from app.core import hot, ids
from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import run
from app.coupons import commands
from app.org.models import Store
from wsgi import app

HANDS = 8


def claim(brand_id: str, campaign_id: str, members: str) -> None:
    """Print {"taken": n, "sold_out": m ..}. A hand that finds the database busy asks again."""

    def one(member_id: int) -> str:
        with app.app_context():
            while True:
                try:
                    commands.claim(
                        brand_id=int(brand_id),
                        member_id=member_id,
                        campaign_id=int(campaign_id),
                        key=key(f"miniapp:{member_id}", value=f"claim-{member_id}"),
                    )
                except SiyuError as refusal:
                    if refusal.code not in ("busy", "unavailable"):
                        return refusal.code
                else:
                    return "taken"

    hot.configure(os.environ["DATABASE_URL"], HANDS)
    with ThreadPoolExecutor(HANDS) as pool:
        print(json.dumps(Counter(pool.map(one, ids.new_ids(int(members))))))


def order(brand_id: str, store_id: str, order_no: str, die: str, *codes: str) -> None:
    """Hold the coupons for an order, have it paid, redeem them: and be killed (SIGKILL) at `die`: `paid`, before the
    redemption; `paid-unheld`, the same of an order that never held them; `between`, after the first coupon; `halves`,
    the same with each coupon committed by itself.
    """
    with app.app_context():
        store = session.get(Store, int(store_id))
        assert store is not None
        till = commands.Till(int(brand_id), store.id, store.dealer_id, store.region_id, "till", "till", None)
        asked = {"till": till, "codes": codes, "order_no": order_no, "lines": BASKET}
        session.remove()
        if die != "paid-unheld":
            run(lambda: commands.lock_order(**asked))
        if die.startswith("paid"):
            _die()
        commands.order.in_session = _killed_after(  # type: ignore[attr-defined]
            hot.fetch_one if die == "halves" else commands.order.in_session, 1
        )
        if die == "halves":
            commands.order.lock_rows = lambda *_: {}  # type: ignore[attr-defined]
        run(lambda: commands.redeem_order(**asked))


def _killed_after(real: Callable[..., Any], calls: int) -> Callable[..., Any]:
    left = [calls]

    def called(*arguments: Any) -> Any:
        found = real(*arguments)
        left[0] -= 1
        if not left[0]:
            _die()
        return found

    return called


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    {"claim": claim, "order": order}[sys.argv[1]](*sys.argv[2:])
