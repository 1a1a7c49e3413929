"""Budgets, refunds and the price of an order under many hands; each with a twin that shows what its guard is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from at_once import at_once
from coupon_crowds import (
    GIVE_BACK,
    QUERIES,
    REDEEM,
    TAKE,
    Unguarded,
    all_read_first,
    claim,
    coupons_out,
    module,
    redemptions,
    refund,
    refused,
    transacted,
    use,
    won,
)
from coupon_factories import campaign, coupon, fresh, redeem
from factories import World
from invariants import broken

from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import CampaignBudget, OrderDiscount, RedemptionRefund
from app.coupons.rules import Line

BUDGET = 1_000
HANDS = 16
WITHIN = " AND b.spent_fen + %(discount_fen)s::bigint <= b.budget_fen"
AS_READ = "o.discount_fen = %(before_fen)s::bigint\n    AND "
STACKS = "cardinality(o.groups) = 0 OR %(stack_group)s <> '' AND NOT o.groups && ARRAY['', %(stack_group)s]"
GROUPS = f"WHERE {AS_READ}({STACKS})\n"


def _names() -> set[str]:
    return {finding.name for finding in broken()}


def _budgeted(world: World, budget_fen: int) -> int:
    """A campaign of a tenth off, with a budget."""
    campaign_id = campaign(world, kind="percent", percent_bp=1_000, amount_fen=0)
    with transaction():
        queries.campaign(world.brand_id, campaign_id).budgeted = True
        session.add(
            CampaignBudget(campaign_id=campaign_id, brand_id=world.brand_id, budget_fen=budget_fen, spent_fen=0)
        )
    return campaign_id


def _spent(campaign_id: int) -> int:
    with transaction():
        return int(session.get_one(CampaignBudget, campaign_id).spent_fen)


def _different_amounts(world: World, campaign_id: int) -> list[Callable[[], Any]]:
    """Orders of 10, 20, .. yuan at once: 1, 2, .. yuan off, 136 in all for 16 hands."""
    mine = [coupon(world, campaign_id) for _ in range(HANDS)]
    return [
        lambda no=no, one=one: use(
            world, one.code, order_no=f"O{no}", lines=[Line(1, "SKU-1", "shoes", 1, 1_000 * (no + 1))]
        )
        for no, one in enumerate(mine)
    ]


def test_budget_with_different_amounts(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = _budgeted(world, BUDGET)
    works = _different_amounts(world, campaign_id)
    all_read_first(monkeypatch, QUERIES, "beside_order", HANDS)
    results = at_once(app, works)
    taken_off = sum(one.discount_fen for one in won(results))
    assert set(refused(results)) == {"budget_spent"}
    assert taken_off == _spent(campaign_id) <= BUDGET
    # What was refused did not fit beside what was let through: who came first is open, waste is not.
    assert BUDGET - taken_off < max(100 * (no + 1) for no, one in enumerate(results) if isinstance(one, str))
    assert broken() == []


def test_twin_budget_with_different_amounts(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = _budgeted(world, BUDGET * 2)
    works = _different_amounts(world, campaign_id)
    unguarded.without(REDEEM, "REDEEM", WITHIN)
    unguarded.drop("campaign_budget", "ck_campaign_budget_spent")
    all_read_first(monkeypatch, QUERIES, "beside_order", HANDS)
    assert len(won(at_once(app, works))) == HANDS and _spent(campaign_id) == 13_600
    assert "coupons.budget_spent_is_what_is_taken_off" in _names()


def _read_then_pause(
    app: Any, world: World, patch: pytest.MonkeyPatch, where: str, name: str, campaign_id: int
) -> None:
    """Pause the campaign between what the caller reads of it and what it writes."""
    read = getattr(module(where), name)
    pause = [transacted(lambda: commands.set_status(brand_id=world.brand_id, campaign_id=campaign_id, status="paused"))]

    def read_then_pause(*arguments: Any, **named: Any) -> Any:
        found = read(*arguments, **named)
        while pause:
            at_once(app, [pause.pop()])
        return found

    patch.setattr(module(where), name, read_then_pause)


ACTIVE = """AND EXISTS (SELECT FROM campaign k WHERE k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
                AND k.status IN ('active', 'ended'))
"""


def test_pause_between_check_and_write(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = campaign(world)
    mine = coupon(world, campaign_id)
    _read_then_pause(app, world, monkeypatch, QUERIES, "beside_order", campaign_id)
    with pytest.raises(SiyuError) as refusal:
        redeem(world, mine.code)
    assert refusal.value.code == "campaign_paused"
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed"
    assert broken() == []


def test_twin_pause_between_check_and_write(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = campaign(world)
    mine = coupon(world, campaign_id)
    unguarded.without(REDEEM, "REDEEM", ACTIVE)
    _read_then_pause(app, world, monkeypatch, QUERIES, "beside_order", campaign_id)
    assert redeem(world, mine.code).coupon_id == mine.coupon_id  # of a campaign that was stopped before


def test_pause_between_check_and_claim(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = campaign(world)
    _read_then_pause(app, world, monkeypatch, TAKE, "look_at", campaign_id)
    with pytest.raises(SiyuError) as refusal:
        claim(world, campaign_id)
    assert refusal.value.code == "campaign_paused" and coupons_out() == []
    assert broken() == []


def test_twin_pause_between_check_and_claim(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = campaign(world)
    unguarded.without(TAKE, "CLAIM", "k.status = 'active' AND ")
    _read_then_pause(app, world, monkeypatch, TAKE, "look_at", campaign_id)
    claim(world, campaign_id)
    assert len(coupons_out()) == 1


def test_refunds_that_sum_over_the_order(app: Any, world: World) -> None:
    """Eight refunds of one sock each at once, of an order with two: two go through, and give back its share."""
    used = redeem(world, coupon(world).code)
    works = [transacted(lambda no=no: refund(world, used.redemption_id, (2, 1), refund_no=f"R{no}")) for no in range(8)]
    results = at_once(app, works)
    assert sorted(one.fen for one in won(results)) == [83, 84] and refused(results) == {"refund_too_large": 6}
    assert broken() == []
    rest = at_once(app, [transacted(lambda: refund(world, used.redemption_id, (1, 1)))] * 8)
    assert [one.fen for one in won(rest)] == [333] and refused(rest) == {"redemption_returned": 7}
    with transaction():
        assert sum(row.fen for row in session.query(RedemptionRefund)) == 500
        assert session.query(OrderDiscount).one().discount_fen == 0
    assert broken() == []


def test_twin_refunds_that_sum_over_the_order(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the redemption's lock each sees two socks that were not refunded yet."""
    used = redeem(world, coupon(world).code)
    monkeypatch.setattr(module(GIVE_BACK), "_locked", lambda *asked: queries.redemption(*asked))
    all_read_first(monkeypatch, GIVE_BACK, "_lines", 4)
    works = [transacted(lambda no=no: refund(world, used.redemption_id, (2, 1), refund_no=f"R{no}")) for no in range(4)]
    assert [one.fen for one in won(at_once(app, works))] == [83] * 4  # 332 fen of a line that had 167
    assert "coupons.refunds_sum_to_what_went_back" in _names()


def test_concurrent_refunds_of_one_redemption_told_under_one_number(app: Any, world: World) -> None:
    used = redeem(world, coupon(world).code)
    works = [transacted(lambda: refund(world, used.redemption_id, (1, 1), (2, 1), refund_no="R1"))] * 8
    assert [one.fen for one in at_once(app, works)] == [416] * 8
    changed = at_once(app, [transacted(lambda: refund(world, used.redemption_id, (2, 1), refund_no="R1"))] * 4)
    assert changed == ["refund_changed"] * 4
    with transaction():
        assert sorted(row.fen for row in session.query(RedemptionRefund)) == [83, 333]
    assert broken() == []


def test_a_refund_and_a_cancel_of_one_redemption_at_once(app: Any, world: World) -> None:
    """With a budget and another coupon's share on the same order: everything comes back once."""
    for no in range(6):
        campaign_id = _budgeted(world, BUDGET)
        used = redeem(world, coupon(world, campaign_id).code, order_no=f"O{no}")
        cancel = transacted(
            lambda used=used: commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id)
        )
        part = transacted(lambda used=used: refund(world, used.redemption_id, (2, 1)))
        at_once(app, [cancel, part, cancel, part, part])
        assert _spent(campaign_id) == 0
        assert broken() == []


def _two_of_20_yuan(world: World, *groups: str) -> list[Callable[[], Any]]:
    """Two coupons of 20 yuan, used at once for one order of 30, each by itself."""
    mine = [coupon(world, amount_fen=2_000, stack_group=group) for group in groups]
    return [lambda one=one: redeem(world, one.code, order_no="O1") for one in mine]


def test_discount_larger_than_the_price(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    works = _two_of_20_yuan(world, "a", "b")
    all_read_first(monkeypatch, QUERIES, "beside_order", 2)
    assert sorted(one.discount_fen for one in won(at_once(app, works))) == [1_000, 2_000]
    with transaction():
        order = session.query(OrderDiscount).one()
        assert (order.total_fen, order.discount_fen, len(order.groups)) == (3_000, 3_000, 2)
    assert broken() == []


def test_the_orders_row_is_a_second_line(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = _two_of_20_yuan(world, "a", "b")
    unguarded.without(REDEEM, "REDEEM", AS_READ)
    all_read_first(monkeypatch, QUERIES, "beside_order", 2)
    results = at_once(app, works)
    assert len(won(results)) == 1 and refused(results) == {"order_discount_too_large": 1}
    assert broken() == []


def test_twin_discount_larger_than_the_price(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = _two_of_20_yuan(world, "a", "b")
    unguarded.without(REDEEM, "REDEEM", AS_READ)
    unguarded.drop("order_discount", "ck_order_discount_discount")
    all_read_first(monkeypatch, QUERIES, "beside_order", 2)
    assert sum(one.discount_fen for one in won(at_once(app, works))) == 4_000  # of 3,000


def test_stacking_groups_on_one_order_at_the_same_moment(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch, deadlocks: list[str]
) -> None:
    mine = [coupon(world, amount_fen=100, stack_group=group) for group in ["a"] * 5 + ["b"] * 4 + [""] * 3]
    all_read_first(monkeypatch, QUERIES, "beside_order", len(mine))
    results = at_once(app, [lambda one=one: redeem(world, one.code, order_no="O1") for one in mine])
    with transaction():
        groups = sorted(session.query(OrderDiscount).one().groups)
    assert groups in (["a", "b"], [""]) and len(won(results)) == len(groups)
    assert set(refused(results)) == {"coupon_not_stackable"}
    assert deadlocks == []
    assert broken() == []


def test_twin_stacking_groups_on_one_order_at_the_same_moment(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [coupon(world, amount_fen=100, stack_group="a") for _ in range(8)]
    unguarded.without(REDEEM, "REDEEM", GROUPS, instead="\n")
    all_read_first(monkeypatch, QUERIES, "beside_order", len(mine))
    results = at_once(app, [lambda one=one: redeem(world, one.code, order_no="O1") for one in mine])
    assert len(won(results)) == 8 == len(redemptions())
    assert "coupons.coupons_of_one_order_go_together" in _names()
