"""A campaign goes to a segment: write down whom it has, then chunk after chunk; and what would come of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.dialects import postgresql

from app.core import bulk, clock
from app.core.db import session
from app.core.slots import Slot
from app.coupons import commands as coupons
from app.coupons import queries
from app.coupons.commands.push import HAD_BY_ALL, JUDGED, asked
from app.coupons.commands.stock import Day, left, left_today
from app.coupons.events import PushAdvanced
from app.coupons.issue_models import CouponPush
from app.coupons.rules import local_day
from app.segments import commands as segments
from app.segments import queries as segment_queries
from app.segments.compiler import audience

CHUNK = 10_000


@dataclass(frozen=True)
class Preview:
    """What a push would do now, in members: `chosen` would get a coupon, of whom `unsold` find none left; the others
    as in CouponPush.
    """

    audience: int
    chosen: int
    held_out: int
    opted_out: int
    limited: int
    left: int
    unsold: int


def start(*, brand_id: int, campaign_id: int, segment_id: int, hold_out_bp: int, created_by: str) -> CouponPush:
    """Begin a push; workers carry it out. Raises CampaignUnknown, SegmentUnknown."""
    segment_queries.segment(brand_id, segment_id)
    return coupons.start_push(
        brand_id=brand_id,
        campaign_id=campaign_id,
        segment_id=segment_id,
        as_of=clock.now(),
        hold_out_bp=hold_out_bp,
        created_by=created_by,
    )


def go_on(event: PushAdvanced, *, chunk: int = CHUNK) -> None:
    """Subscriber: the first turn writes the segment's members down, every other one deals with a chunk of them."""
    push = coupons.hold_push(event.brand_id, event.push_id)
    if push is None:
        return
    if push.audience is None:
        push.audience = segments.take_snapshot(
            brand_id=push.brand_id, segment_id=push.segment_id, as_of=push.as_of
        )
    members = segment_queries.snapshot_page(
        push.brand_id, push.segment_id, push.as_of, after=push.cursor, limit=chunk
    )
    begun = push.cursor > 0
    coupons.give(push, members, last=len(members) < chunk)
    if not begun and len(members) == chunk:
        bulk.analyze("coupon")  # what was filled just now looks empty to the planner, and more is coming


def resume_waiting(slot: Slot) -> None:
    """Slot coupons.pushes: go on with pushes that wait for another day's stock, once there is some. One whose campaign
    has nothing left for any day waits for somebody.
    """
    for push in coupons.hold_waiting():
        if left(push.campaign_id) == 0:
            push.stop_reason = "sold_out"
        elif _left(push.brand_id, push.campaign_id) > 0:
            coupons.resume_push(brand_id=push.brand_id, push_id=push.push_id)


def _left(brand_id: int, campaign_id: int) -> int:
    """How many coupons a campaign may still give today."""
    campaign = queries.campaign(brand_id, campaign_id)
    terms = queries.version_terms(brand_id, campaign_id, campaign.version)
    today = left_today(campaign_id, Day(local_day(terms, clock.now()), campaign.day_quota))
    whole = left(campaign_id)
    return whole if today is None else min(whole, max(0, today))


def preview(*, brand_id: int, campaign_id: int, segment_id: int, hold_out_bp: int) -> Preview:
    """What a push would do now, judged as the push judges; writes nothing. Raises CampaignUnknown, SegmentUnknown."""
    campaign, now = queries.campaign(brand_id, campaign_id), clock.now()
    terms = queries.version_terms(brand_id, campaign_id, campaign.version)
    rule = segment_queries.segment(brand_id, segment_id).rule
    members = audience(brand_id=brand_id, rule=rule, as_of=now).compile(
        dialect=postgresql.psycopg.dialect(), compile_kwargs={"render_postcompile": True}
    )
    nobody = CouponPush(
        brand_id=brand_id, campaign_id=campaign_id, push_id=0, hold_out_bp=hold_out_bp, correlation_id="preview"
    )
    rows = session.connection().exec_driver_sql(
        f"WITH asked AS MATERIALIZED ({members}), kept AS (SELECT member_id FROM asked), {HAD_BY_ALL}{JUDGED}"
        " SELECT verdict, count(*) FROM judged GROUP BY verdict",
        {**members.params, **asked(nobody, terms, now)},
    )
    found: dict[str, int] = dict(rows.fetchall())
    available, chosen = _left(brand_id, campaign_id), found.get("chosen", 0)
    return Preview(
        audience=sum(found.values()),
        chosen=chosen,
        held_out=found.get("held_out", 0),
        opted_out=found.get("opted_out", 0),
        limited=found.get("limited", 0),
        left=available,
        unsold=max(0, chosen - available),
    )
