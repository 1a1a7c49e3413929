"""One member's history in time order, gathered from every domain by one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, literal, select, union_all

from app.channels.models import Follow
from app.core.db import session
from app.coupons.models import Campaign, Coupon, Redemption
from app.identity import queries as identity
from app.identity.models import PersonMerge
from app.members.models import GuideHistory, Member
from app.org.models import Guide, Store
from app.points.models import Journal, Posting
from app.sales.models import SalesOrder
from app.sop.models import GuideTask, SopStep
from app.tiers.models import MemberTier, Tier


@dataclass(frozen=True)
class Moment:
    """Something that happened to a member: what, when, its facts, and the journey it belongs to."""

    at: datetime
    kind: str
    data: dict[str, Any]
    correlation_id: str | None


def of(member: Member, *, before: datetime | None, limit: int) -> list[Moment]:
    """The newest moments before a time, newest first."""
    brand, member_id = member.brand_id, member.member_id
    persons = identity.all_ids_of(member.person_id)

    def part(kind: str, at: Any, correlation: Any, condition: Any, *joins: Any, **data: Any) -> Any:
        facts = func.jsonb_build_object(*(one for name, value in data.items() for one in (name, value)))
        statement = select(at.label("at"), literal(kind).label("kind"), facts.label("data"), correlation.label("cor"))
        for target, on in joins:
            statement = statement.outerjoin(target, on)
        if before is not None:
            statement = statement.where(at < before)
        return statement.where(condition, at.is_not(None)).order_by(at.desc()).limit(limit).subquery().select()

    def mine(model: Any) -> Any:
        return and_(model.brand_id == brand, model.member_id == member_id)

    step = (SopStep, and_(SopStep.brand_id == GuideTask.brand_id, SopStep.step_id == GuideTask.step_id))
    task_guide = (Guide, Guide.id == GuideTask.guide_id)
    campaign = (Campaign, and_(Campaign.brand_id == Coupon.brand_id, Campaign.campaign_id == Coupon.campaign_id))
    coupon = (Coupon, and_(mine(Coupon), Coupon.coupon_id == Redemption.coupon_id))
    posting = and_(
        Posting.brand_id == Journal.brand_id,
        Posting.member_id == Journal.member_id,
        Posting.journal_id == Journal.journal_id,
        Posting.account == "member",
    )
    no_join = literal(None)
    parts = [
        part("joined", Member.joined_at, Member.correlation_id, mine(Member), source=Member.source),
        part("bound", Member.bound_at, no_join, mine(Member)),
        part(
            "followed",
            Follow.added_at,
            Follow.correlation_id,
            and_(Follow.brand_id == brand, Follow.person_id.in_(persons)),
            (Guide, Guide.id == Follow.guide_id),
            guide=Guide.name,
            status=Follow.status,
        ),
        part(
            "merged",
            PersonMerge.merged_at,
            PersonMerge.correlation_id,
            and_(PersonMerge.winner_id.in_(persons), PersonMerge.revoked_at.is_(None)),
            reason=PersonMerge.reason,
        ),
        part(
            "guide_assigned",
            GuideHistory.from_at,
            GuideHistory.correlation_id,
            mine(GuideHistory),
            (Guide, Guide.id == GuideHistory.guide_id),
            guide=Guide.name,
            reason=GuideHistory.reason,
        ),
        part(
            "order",
            SalesOrder.paid_at,
            SalesOrder.correlation_id,
            mine(SalesOrder),
            (Store, Store.id == SalesOrder.store_id),
            order_no=SalesOrder.order_no,
            store=Store.name,
            paid_fen=SalesOrder.paid_fen,
            status=SalesOrder.status,
        ),
        part(
            "coupon_issued",
            Coupon.claimed_at,
            Coupon.correlation_id,
            mine(Coupon),
            campaign,
            campaign=Campaign.name,
            source=Coupon.source,
            status=Coupon.status,
        ),
        part(
            "coupon_redeemed",
            Redemption.redeemed_at,
            Redemption.correlation_id,
            mine(Redemption),
            coupon,
            campaign,
            (Store, Store.id == Redemption.store_id),
            campaign=Campaign.name,
            store=Store.name,
            order_no=Redemption.order_no,
            discount_fen=Redemption.discount_fen,
        ),
        part(
            "coupon_returned",
            Redemption.returned_at,
            no_join,
            mine(Redemption),
            coupon,
            campaign,
            campaign=Campaign.name,
            order_no=Redemption.order_no,
        ),
        part(
            "points",
            Journal.at,
            Journal.correlation_id,
            mine(Journal),
            (Posting, posting),
            currency=Journal.currency,
            reason=Journal.kind,
            amount=Posting.amount,
        ),
        part(
            "tier",
            MemberTier.valid_from,
            MemberTier.correlation_id,
            mine(MemberTier),
            (Tier, and_(Tier.brand_id == MemberTier.brand_id, Tier.tier_id == MemberTier.tier_id)),
            tier=Tier.name,
            reason=MemberTier.reason,
        ),
        part(
            "task_created",
            GuideTask.created_at,
            GuideTask.correlation_id,
            mine(GuideTask),
            step,
            task_guide,
            title=SopStep.title,
            guide=Guide.name,
        ),
        part(
            "task_done",
            GuideTask.done_at,
            no_join,
            mine(GuideTask),
            step,
            task_guide,
            title=SopStep.title,
            guide=Guide.name,
        ),
    ]
    every = union_all(*parts).subquery()
    rows = session.execute(select(every).order_by(every.c.at.desc()).limit(limit))
    return [Moment(at=row.at, kind=row.kind, data=row.data, correlation_id=row.cor) for row in rows]
