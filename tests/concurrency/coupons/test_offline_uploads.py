"""What tills took while they were offline, told late, twice and by many; each with a twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from at_once import at_once
from coupon_crowds import OFFLINE, Unguarded, all_read_first, module, redemptions, transacted
from coupon_factories import BASKET, campaign, coupon, fresh, redeem, till
from factories import World
from invariants import broken

from app.core import clock
from app.core.db import session
from app.core.errors import Busy
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Coupon, OfflineQuota, OfflineReceipt

LIMIT_FEN = 1_200


@pytest.fixture
def stores(world: World) -> World:
    """A world whose stores may have conflicts for 12 yuan a month."""
    with transaction():
        for store in world.stores:
            commands.set_offline_limit(brand_id=world.brand_id, store_id=store.id, limit_fen=LIMIT_FEN)
    return world


def receipt(one: Coupon, number: str, *, at: datetime | None = None, order_no: str | None = None) -> commands.Receipt:
    taken_at = at or clock.now()
    return commands.Receipt(number, one.code, order_no or f"OFF-{number}", BASKET, taken_at, number.encode())


def upload(world: World, told: commands.Receipt, *, store: int = 0) -> Callable[[], Any]:
    """Told by a till; answers what became of it."""

    def work() -> tuple[str, str, int | None, int]:
        row = commands.take_receipt(till=till(world, store), receipt=told).row
        return row.outcome, row.reason, row.redemption_id, row.discount_fen

    return transacted(work)


def used_fen() -> int:
    with transaction():
        return sum(row.used_fen for row in session.query(OfflineQuota))


def test_offline_upload_twice(app: Any, stores: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = receipt(coupon(stores), "1")
    results = at_once(app, [upload(stores, told)] * 8)
    assert len(set(results)) == 1 and results[0][0] == "redeemed"
    assert upload(stores, told)() == results[0]
    assert len(redemptions()) == 1 and used_fen() == 0
    assert broken() == []


def test_twin_offline_upload_twice(
    app: Any, stores: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock on its number and the number's uniqueness one receipt is a redemption and conflicts, too."""
    told = receipt(coupon(stores), "1")
    unguarded.drop("offline_receipt", "pk_offline_receipt")
    monkeypatch.setattr(module(OFFLINE), "lock_name", lambda _: None)
    monkeypatch.setattr(module(OFFLINE), "_used_for", lambda *_: None)
    all_read_first(monkeypatch, OFFLINE, "_find", 4)
    monkeypatch.setattr(module(OFFLINE), "_keep", lambda *asked, **more: _kept(asked, more))
    kept: list[str] = []

    def _kept(asked: tuple[Any, ...], more: dict[str, Any]) -> OfflineReceipt:
        kept.append(asked[2])
        return OfflineReceipt(
            outcome=asked[2], reason=asked[3], redemption_id=more.get("redemption_id"), discount_fen=0
        )

    at_once(app, [upload(stores, told)] * 4)
    assert Counter(kept) >= Counter({"redeemed": 1, "conflict": 2}) and used_fen() == 1_000


def test_one_coupon_offline_in_two_stores(app: Any, stores: World) -> None:
    """What was recorded first wins; the other store's is charged to its quota."""
    for turn in range(4):
        mine = coupon(stores, amount_fen=100)
        works = [upload(stores, receipt(mine, f"{turn}-{store}"), store=store) for store in (0, 1)]
        outcomes = at_once(app, works)
        assert sorted(one[0] for one in outcomes) == ["conflict", "redeemed"]
        assert used_fen() == 100 * (turn + 1)
    assert broken() == []


def test_a_stores_offline_quota(app: Any, stores: World) -> None:
    """Eight conflicts of 5 yuan at once on a quota of 12: two are charged, the rest is kept for a human."""
    gone = [coupon(stores) for _ in range(8)]
    for one in gone:
        redeem(stores, one.code)
    results = at_once(app, [upload(stores, receipt(one, str(no))) for no, one in enumerate(gone)])
    assert Counter(one[0] for one in results) == {"conflict": 2, "over": 6}
    assert used_fen() == 1_000
    assert broken() == []


def test_twin_a_stores_offline_quota(app: Any, stores: World, unguarded: Unguarded) -> None:
    gone = [coupon(stores) for _ in range(8)]
    for one in gone:
        redeem(stores, one.code)
    unguarded.without(OFFLINE, "_CHARGE", " AND used_fen + :fen <= limit_fen")
    unguarded.drop("offline_quota", "ck_offline_quota_used")
    at_once(app, [upload(stores, receipt(one, str(no))) for no, one in enumerate(gone)])
    assert used_fen() == 4_000


def test_offline_upload_late(app: Any, stores: World) -> None:
    """Its validity ended between the till and the upload, and the sweep has been: it was good when it was taken."""
    campaign_id = campaign(stores, valid_days=1)
    mine, other = coupon(stores, campaign_id), coupon(stores, campaign_id)
    taken_at = mine.valid_to - timedelta(minutes=5)
    with time_machine.travel(mine.valid_to + timedelta(hours=1), tick=True):
        transacted(commands.expire)()
        assert fresh(stores, mine.member_id, mine.coupon_id).status == "expired"
        assert upload(stores, receipt(mine, "1", at=taken_at))()[0] == "redeemed"
        afterwards = upload(stores, receipt(other, "2", at=other.valid_to + timedelta(minutes=6)))()
        assert afterwards[:2] == ("conflict", "coupon_expired")
        assert fresh(stores, mine.member_id, mine.coupon_id).status == "redeemed"
        assert broken() == []


def test_twin_offline_upload_late(app: Any, stores: World, unguarded: Unguarded) -> None:
    """A statement that knows only what is open now never finds an honest receipt's coupon."""
    mine = coupon(stores, valid_days=1)
    unguarded.without(OFFLINE, "REDEEM_LATE", ", 'expired'")
    with time_machine.travel(mine.valid_to + timedelta(hours=1), tick=True):
        transacted(commands.expire)()
        with pytest.raises(Busy):
            upload(stores, receipt(mine, "1", at=mine.valid_to - timedelta(minutes=5)))()
    assert redemptions() == []


def test_offline_upload_late_while_the_sweep_goes_by(app: Any, stores: World) -> None:
    for turn in range(3):
        mine = coupon(stores, valid_days=1)
        told = receipt(mine, str(turn), at=mine.valid_to - timedelta(minutes=5))
        with time_machine.travel(mine.valid_to + timedelta(hours=1), tick=True):
            outcome, *_ = at_once(app, [upload(stores, told), *[transacted(commands.expire)] * 3])
        assert outcome[0] == "redeemed"
        assert broken() == []


def test_offline_upload_much_too_late(stores: World) -> None:
    mine = coupon(stores, valid_days=30)
    taken_at = clock.now()
    with time_machine.travel(clock.now() + commands.offline.OLDEST + timedelta(hours=1), tick=True):
        assert upload(stores, receipt(mine, "1", at=taken_at))()[:2] == ("refused", "too_late")
        assert upload(stores, receipt(mine, "2", at=clock.now() + timedelta(hours=1)))()[:2] == ("refused", "not_yet")
    assert redemptions() == [] and used_fen() == 0
    assert broken() == []


def test_offline_upload_of_what_was_redeemed_before_the_line_went_dead(app: Any, stores: World) -> None:
    """The redemption went through and its answer did not: told again as a receipt of the same order it is that one."""
    mine = coupon(stores)
    used = redeem(stores, mine.code, order_no="O1")
    results = at_once(app, [upload(stores, receipt(mine, str(no), order_no="O1")) for no in range(4)])
    assert {one[:3] for one in results} == {("redeemed", "", used.redemption_id)}
    assert upload(stores, receipt(mine, "other", order_no="O2"))()[:2] == ("conflict", "coupon_redeemed")
    assert len(redemptions()) == 1 and used_fen() == 500
    assert broken() == []


def test_an_upload_against_the_same_coupon_online(app: Any, stores: World) -> None:
    """The till that is online and the one that was not want it at the same moment: one has it, the books are right."""
    for turn in range(4):
        mine = coupon(stores, amount_fen=100)
        online, offline = at_once(
            app,
            [
                lambda mine=mine, turn=turn: redeem(stores, mine.code, order_no=f"N{turn}"),
                upload(stores, receipt(mine, str(turn))),
            ],
        )
        assert (online == "coupon_redeemed") is (offline[0] == "redeemed")
        assert offline[0] in ("redeemed", "conflict") and len(redemptions()) == turn + 1
    assert broken() == []
