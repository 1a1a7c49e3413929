"""How far the customers of the last days got: added, bound, task done, coupon used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, func, select

from app.channels.models import Follow
from app.core.db import session
from app.coupons.models import Redemption
from app.dashboards.reach import Reach
from app.dashboards.rules import Day
from app.identity.models import Person
from app.members.models import Member, Membership
from app.org.models import Guide
from app.sop.models import GuideTask

FUNNEL_DAYS = 7


@dataclass(frozen=True)
class Funnel:
    """Customers added in the last seven days, and how many of them got how far."""

    added: int
    bound: int
    tasked: int
    redeemed: int


def of(reach: Reach, day: Day) -> Funnel:
    """The customers added to the reader's guides in the last seven days, this one included."""
    brand = reach.brand_id
    living = func.coalesce(Person.merged_into, Follow.person_id)
    added = (
        select(living.label("person_id"))
        .select_from(Follow)
        .outerjoin(Person, Person.person_id == Follow.person_id)
        .outerjoin(Guide, Guide.id == Follow.guide_id)
        .where(
            Follow.brand_id == brand,
            reach.within(Guide.store_id),
            Follow.added_at >= day.end - timedelta(days=FUNNEL_DAYS),
            Follow.added_at < day.end,
        )
        .distinct()
        .cte("added")
    )
    members = (
        select(added.c.person_id, Member.member_id)
        .join(Membership, and_(Membership.person_id == added.c.person_id, Membership.brand_id == brand))
        .join(Member, and_(Member.brand_id == brand, Member.member_id == Membership.member_id))
        .where(Member.bound_at.is_not(None))
        .cte("members")
    )
    tasked = (
        select(GuideTask.member_id)
        .join(members, members.c.member_id == GuideTask.member_id)
        .where(GuideTask.brand_id == brand, GuideTask.status == "done")
        .distinct()
        .cte("tasked")
    )
    redeemed = (
        select(Redemption.member_id)
        .join(tasked, tasked.c.member_id == Redemption.member_id)
        .where(Redemption.brand_id == brand, Redemption.returned_at.is_(None))
        .distinct()
        .cte("redeemed")
    )
    row = session.execute(
        select(
            func.count(),
            func.count(members.c.member_id),
            func.count(tasked.c.member_id),
            func.count(redeemed.c.member_id),
        )
        .select_from(added)
        .outerjoin(members, members.c.person_id == added.c.person_id)
        .outerjoin(tasked, tasked.c.member_id == members.c.member_id)
        .outerjoin(redeemed, redeemed.c.member_id == tasked.c.member_id)
    ).one()
    return Funnel(*row)
