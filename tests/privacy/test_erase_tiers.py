"""A forgotten member stands on no tier, and nothing comes of one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from console_world import Busy, make_busy
from coupon_factories import campaign
from invariants import broken
from sqlalchemy import func, select, update

from app.core import clock, ids
from app.core.db import session
from app.core.outbox import emit
from app.core.transaction import transaction
from app.coupons.models import Coupon
from app.flows import erase
from app.members.events import Joined
from app.points import queries as points
from app.tiers import queries as tiers
from app.tiers.commands import grant
from app.tiers.events import BenefitsDue, Upgraded
from app.tiers.models import Benefit, MemberTier


@pytest.fixture
def busy(app) -> Busy:  # type: ignore[no-untyped-def]
    return make_busy()


def test_nothing_comes_of_the_tier_they_had(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    brand, gift = busy.world.brand_id, campaign(busy.world, per_member=9)
    with transaction():
        tier = tiers.current(brand, busy.member)
        assert tier is not None
        for kind, what in (("coupon", {"campaign_id": gift}), ("points", {"points": 50})):
            benefit_id = ids.new_id()
            session.add(
                Benefit(
                    brand_id=brand, benefit_id=benefit_id, tier_id=tier.tier_id, kind=kind, period="monthly", name="礼",
                    **what,
                )
            )  # fmt: skip

    def month(days: int) -> tuple[int, int]:
        """What they had of benefits after so many days: coupons, points."""
        with time_machine.travel(clock.now() + timedelta(days=days), tick=True):
            with transaction():
                emit(BenefitsDue(brand_id=brand, at=clock.now().isoformat()))
            run_work()
        given = session.scalar(select(func.count()).where(Coupon.member_id == busy.member, Coupon.source == "tier"))
        return given or 0, points.balances(brand, busy.member)["points"]

    assert month(0)[0] == 1
    with transaction():  # granted, and not delivered before they are forgotten
        for benefit in tiers.benefits_of(brand, tier.tier_id):
            grant(brand_id=brand, member_id=busy.member, benefit=benefit, period="2020-01")
        emit(Upgraded(brand_id=brand, member_id=busy.member, from_tier_id=None, tier_id=tier.tier_id, tier_name=""))
        emit(Joined(brand_id=brand, member_id=busy.member, person_id=busy.person, source="miniapp"))
    with transaction():
        erase.erase(brand_id=brand, member_id=busy.member, actor="adm_1", reason="本人要求")
    assert month(40) == month(80) == (1, 0)
    assert tiers.current(brand, busy.member) is None
    spans = update(MemberTier).where(MemberTier.member_id == busy.member, MemberTier.tier_id == tier.tier_id)
    with transaction():  # as of somebody who was forgotten when tiers did not end with it
        session.execute(spans.values(valid_to=None))
    assert month(120) == (1, 0)
    with transaction():
        session.execute(spans.values(valid_to=clock.now()))
    assert broken() == []
