"""Tasks, campaigns and SOPs as the console lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, true, tuple_

from app.core.db import session
from app.coupons import queries as coupons
from app.coupons.models import Coupon, Redemption
from app.dashboards.reach import Reach
from app.dashboards.rules import mask_name, share_bp
from app.members.models import Member
from app.org.models import Guide, Store
from app.sop.models import GuideTask, Sop, SopRun, SopStep

TASK_STATUSES = ("open", "done", "expired", "cancelled")


@dataclass(frozen=True)
class TaskLine:
    task_id: int
    title: str
    sop_name: str
    member_id: int
    member: str
    guide_name: str
    store_name: str
    status: str
    due_at: datetime
    deadline_at: datetime
    done_at: datetime | None


@dataclass(frozen=True)
class CampaignLine:
    """A campaign with the brand's stock and budget; `redeemed` and `discount_fen` count the reader's stores only."""

    campaign_id: int
    code: str
    name: str
    kind: str
    status: str
    claimable: bool
    quota: int
    issued: int
    budget_fen: int | None
    spent_fen: int
    allocated: bool
    redeemed: int
    discount_fen: int


@dataclass(frozen=True)
class SopLine:
    """A SOP with its tasks in the reader's stores, by status."""

    sop_id: int
    code: str
    name: str
    status: str
    version: int
    steps: int
    open: int
    done: int
    expired: int
    refused: int
    done_bp: int


def tasks(reach: Reach, *, status: str | None, after: tuple[datetime, int] | None, limit: int) -> list[TaskLine]:
    """Tasks by due time, newest first; `after` is the last line's (due_at, task_id)."""
    statement = (
        select(GuideTask, SopStep.title, Sop.name, Member, Guide.name, Store.name)
        .join(SopStep, and_(SopStep.brand_id == GuideTask.brand_id, SopStep.step_id == GuideTask.step_id))
        .join(Sop, and_(Sop.brand_id == GuideTask.brand_id, Sop.sop_id == GuideTask.sop_id))
        .join(Member, and_(Member.brand_id == GuideTask.brand_id, Member.member_id == GuideTask.member_id))
        .join(Store, Store.id == GuideTask.store_id)
        .outerjoin(Guide, Guide.id == GuideTask.guide_id)
        .where(
            GuideTask.brand_id == reach.brand_id, reach.within(GuideTask.store_id), GuideTask.status.in_(TASK_STATUSES)
        )
        .order_by(GuideTask.due_at.desc(), GuideTask.task_id.desc())
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(GuideTask.status == status)
    if after is not None:
        statement = statement.where(tuple_(GuideTask.due_at, GuideTask.task_id) < after)
    return [
        TaskLine(
            task_id=task.task_id,
            title=title,
            sop_name=sop_name,
            member_id=member.member_id,
            member=mask_name(member.plain_name) or member.number,
            guide_name=guide or "",
            store_name=store,
            status=task.status,
            due_at=task.due_at,
            deadline_at=task.deadline_at,
            done_at=task.done_at,
        )
        for task, title, sop_name, member, guide, store in session.execute(statement)
    ]


def campaigns(reach: Reach, only: int | None = None) -> list[CampaignLine]:
    """The brand's campaigns, newest first, or one of them."""
    rows = session.execute(
        select(Coupon.campaign_id, func.count(), func.sum(Redemption.discount_fen))
        .join(
            Coupon,
            and_(
                Coupon.brand_id == Redemption.brand_id,
                Coupon.member_id == Redemption.member_id,
                Coupon.coupon_id == Redemption.coupon_id,
            ),
        )
        .where(
            Redemption.brand_id == reach.brand_id,
            Redemption.returned_at.is_(None),
            reach.within(Redemption.store_id),
            true() if only is None else Coupon.campaign_id == only,
        )
        .group_by(Coupon.campaign_id)
    )
    used = {campaign_id: (count, int(fen)) for campaign_id, count, fen in rows}
    return [
        CampaignLine(
            **one._asdict(),
            redeemed=used.get(one.campaign_id, (0, 0))[0],
            discount_fen=used.get(one.campaign_id, (0, 0))[1],
        )
        for one in coupons.campaigns(reach.brand_id)
        if only in (None, one.campaign_id)
    ]


def sops(reach: Reach) -> list[SopLine]:
    """The brand's SOPs by code."""
    steps = dict(
        session.execute(
            select(SopStep.sop_id, func.count())
            .join(
                Sop,
                and_(Sop.brand_id == SopStep.brand_id, Sop.sop_id == SopStep.sop_id, Sop.version == SopStep.version),
            )
            .where(SopStep.brand_id == reach.brand_id)
            .group_by(SopStep.sop_id)
        ).all()
    )
    rows = session.execute(
        select(GuideTask.sop_id, GuideTask.status, func.count())
        .where(GuideTask.brand_id == reach.brand_id, reach.within(GuideTask.store_id))
        .group_by(GuideTask.sop_id, GuideTask.status)
    )
    counts = {(sop_id, status): count for sop_id, status, count in rows}
    runs = select(SopRun.sop_id, func.sum(SopRun.refused)).where(SopRun.brand_id == reach.brand_id)
    refused = {sop_id: int(count) for sop_id, count in session.execute(runs.group_by(SopRun.sop_id))}
    lines = []
    for sop in session.scalars(select(Sop).where(Sop.brand_id == reach.brand_id).order_by(Sop.code)):
        still, done, expired = (counts.get((sop.sop_id, status), 0) for status in ("open", "done", "expired"))
        lines.append(
            SopLine(
                sop_id=sop.sop_id,
                code=sop.code,
                name=sop.name,
                status=sop.status,
                version=sop.version,
                steps=steps.get(sop.sop_id, 0),
                open=still,
                done=done,
                expired=expired,
                refused=refused.get(sop.sop_id, 0),
                done_bp=share_bp(done, still + done + expired),
            )
        )
    return lines
