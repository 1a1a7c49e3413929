"""Push a campaign to many members: a chunk of them in one statement, the cursor in the same transaction.

A chunk is judged, written and counted as a whole or not at all, so killing it anywhere and running it again gives the
same rows. Which members come next is the caller's to say, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as pg
from sqlalchemy import ColumnElement, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.core.errors import Busy, Invalid
from app.privacy.rules import MARKETING

from .. import codes, queries, rules
from ..errors import PushEnded, PushUnknown, StoreNeeded
from ..events import PushAdvanced
from ..issue_models import CouponPush
from . import stock

MOST_HELD_OUT_BP = 9_999
SOURCE = "push"
CHANNEL = "miniapp"  # where the wallet is: who wants no advertising there gets no coupon they did not ask for
_TRIES = 5

# `asked` has the members, `kept` those of them who may be written to, `had` and `again` what they have. Who is held out
# follows from member and campaign alone, so that another push of the campaign keeps the same ones out; only those who
# would get a coupon are, for both sides of a comparison must be alike.
JUDGED = """
judged AS MATERIALIZED (
  SELECT a.member_id, coalesce(had.seq, 0) AS seq, CASE
    WHEN k.member_id IS NULL THEN 'gone'
    WHEN o.member_id IS NOT NULL THEN 'opted_out'
    WHEN had.seq >= %(per_member)s OR had.of_day >= %(per_day)s OR had.of_week >= %(per_week)s
      OR had.of_month >= %(per_month)s OR again.member_id IS NOT NULL THEN 'limited'
    WHEN %(hold_out_bp)s > 0
      AND (hashint8extended(a.member_id, %(campaign_id)s::bigint) & 9223372036854775807) %% 10000 < %(hold_out_bp)s
    THEN 'held_out' ELSE 'chosen' END AS verdict
  FROM asked a
  LEFT JOIN kept k ON k.member_id = a.member_id
  LEFT JOIN opt_out o ON o.brand_id = %(brand_id)s AND o.member_id = a.member_id AND o.purpose = %(purpose)s
       AND o.channel = %(channel)s
  LEFT JOIN had ON had.member_id = a.member_id
  LEFT JOIN again ON again.member_id = a.member_id
)"""
_HAD = """
  SELECT member_id, max(seq) AS seq, count(*) FILTER (WHERE claimed_at >= %(day_began)s) AS of_day,
         count(*) FILTER (WHERE claimed_at >= %(week_began)s) AS of_week,
         count(*) FILTER (WHERE claimed_at >= %(month_began)s) AS of_month
"""
HAD_BY_ALL = f"""
had AS ({_HAD} FROM coupon
  WHERE brand_id = %(brand_id)s AND campaign_id = %(campaign_id)s GROUP BY member_id
), again AS (SELECT NULL::bigint AS member_id WHERE false), """
# For a chunk the members' coupons are read first, by member, and looked through then: asked for those of the campaign
# the planner would read the whole campaign each time, which it believes to be as small as it was at the last analysis.
# Who was merged in the middle may have this push's coupon already.
_HAD_BY_SOME = f"""
mine AS MATERIALIZED (
  SELECT member_id, campaign_id, seq, claimed_at FROM coupon
  WHERE brand_id = %(brand_id)s AND member_id = ANY (%(members)s::bigint[])
), had AS ({_HAD} FROM mine WHERE campaign_id = %(campaign_id)s GROUP BY member_id
), again AS MATERIALIZED (
  SELECT member_id FROM coupon
  WHERE %(per_member)s > 1 AND brand_id = %(brand_id)s AND member_id = ANY (%(members)s::bigint[])
    AND source = 'push' AND source_ref = %(ref)s
), """

# Members' rows are held as `members.family.keep` holds them: a merge waits for the chunk and brings it along. `inside`
# ends before the first one for whom there is no stock. The event a coupon begins with bears its id.
GIVE = f"""
WITH asked AS MATERIALIZED (
  SELECT member_id FROM unnest(%(members)s::bigint[]) AS member_id
), kept AS MATERIALIZED (
  SELECT member_id FROM member
  WHERE brand_id = %(brand_id)s AND member_id = ANY (%(members)s::bigint[]) AND status = 'active'
  ORDER BY member_id FOR KEY SHARE
), {_HAD_BY_SOME}{JUDGED}, inside AS MATERIALIZED (
  SELECT * FROM (
    SELECT judged.*, count(*) FILTER (WHERE verdict = 'chosen') OVER (ORDER BY member_id) AS n FROM judged
  ) AS counted WHERE n <= %(most)s
), kept_out AS (
  INSERT INTO coupon_hold_out (brand_id, member_id, push_id, campaign_id, at, correlation_id)
  SELECT %(brand_id)s, member_id, %(push_id)s, %(campaign_id)s, %(now)s, %(correlation_id)s
  FROM inside WHERE verdict = 'held_out'
  ON CONFLICT DO NOTHING
), taken AS (
  INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,
                      valid_to, source, source_ref, correlation_id)
  SELECT %(brand_id)s, i.member_id, x.coupon_id, %(campaign_id)s, %(version)s, i.seq + 1, x.code, 'claimed', %(now)s,
         %(valid_from)s, %(valid_to)s, 'push', %(ref)s, %(correlation_id)s
  FROM inside i
  JOIN unnest(%(coupon_ids)s::bigint[], %(codes)s::text[]) WITH ORDINALITY AS x (coupon_id, code, n) ON x.n = i.n
  WHERE i.verdict = 'chosen'
  RETURNING brand_id, member_id, coupon_id, code
), coded AS (
  INSERT INTO coupon_code (code, brand_id, member_id, coupon_id) SELECT code, brand_id, member_id, coupon_id FROM taken
), noted AS (
  INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, to_status, cause, at, correlation_id)
  SELECT brand_id, member_id, coupon_id, coupon_id, 'claimed', 'push', %(now)s, %(correlation_id)s FROM taken
)
SELECT verdict, count(*), max(member_id) FROM inside GROUP BY verdict
"""
COUNTS = ("issued", "held_out", "opted_out", "limited", "gone")


def start_push(
    *, brand_id: int, campaign_id: int, segment_id: int, as_of: datetime, hold_out_bp: int, created_by: str
) -> CouponPush:
    """Begin to give a campaign to whom a segment has at `as_of`; `hold_out_bp` of them are kept out to compare with.

    Raises CampaignUnknown, and StoreNeeded for a campaign whose stock is with the stores.
    """
    if not 0 <= hold_out_bp <= MOST_HELD_OUT_BP:
        raise Invalid("Between 0 and 9999 basis points can be held out.", field="hold_out_bp")
    if queries.campaign(brand_id, campaign_id).allocated:
        raise StoreNeeded()
    push = CouponPush(
        brand_id=brand_id,
        campaign_id=campaign_id,
        segment_id=segment_id,
        as_of=as_of,
        hold_out_bp=hold_out_bp,
        created_by=created_by,
    )
    session.add(push)
    session.flush()
    _ask(push)
    return push


def hold_push(brand_id: int, push_id: int) -> CouponPush | None:
    """A running push, held until the transaction ends; None when it does not run, or somebody is at it."""
    return session.scalar(
        select(CouponPush)
        .where(CouponPush.brand_id == brand_id, CouponPush.push_id == push_id, CouponPush.status == "running")
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def give(push: CouponPush, member_ids: Sequence[int], *, last: bool) -> int:
    """Deal with the next members of a held push, in rising order; returns how many coupons were given.

    `last`: no more come after these. Where the stock ends before them the push is stopped at the member it ended at,
    as it is when the campaign was paused or has ended; otherwise the next chunk is asked for. Raises Busy when others
    took coupons of the campaign at every try.
    """
    offer = _offer(push)
    if offer is None:
        return 0
    issued = _give(push, offer, member_ids) if member_ids else 0
    if push.status == "running":
        if last and (not member_ids or push.cursor >= member_ids[-1]):
            push.status, push.finished_at = "done", clock.now()
        _ask(push, issued)
    session.flush()
    return issued


class _Offer(NamedTuple):
    """What a coupon is given under at the moment `now`."""

    version: int
    terms: rules.Terms
    now: datetime
    valid: tuple[datetime, datetime]
    day: stock.Day


class _Overtaken(Exception):
    """Others took of the stock between look and take: what was written is undone."""


def _give(push: CouponPush, offer: _Offer, member_ids: Sequence[int]) -> int:
    for _ in range(_TRIES):
        left, today = stock.left(push.campaign_id), stock.left_today(push.campaign_id, offer.day)
        most = min(left, len(member_ids) if today is None else max(0, today), len(member_ids))
        if most == 0:
            _stop(push, "sold_out_today" if left else "sold_out")
            return 0
        try:
            with session.begin_nested():
                counts, cursor = _write(push, offer, member_ids, most)
                if not stock.take_many(  # hot rows last
                    brand_id=push.brand_id,
                    campaign_id=push.campaign_id,
                    day=offer.day,
                    wanted=counts.get("chosen", 0),
                ):
                    raise _Overtaken()
        except _Overtaken:
            continue
        except IntegrityError as error:
            if not isinstance(error.orig, pg.UniqueViolation):
                raise
            continue  # somebody of these took a coupon themselves at this moment
        for name in COUNTS[1:]:
            setattr(push, name, getattr(push, name) + counts.get(name, 0))
        push.issued += counts.get("chosen", 0)
        push.cursor = cursor
        return counts.get("chosen", 0)
    raise Busy(retry_after=1)


def _write(
    push: CouponPush, offer: _Offer, member_ids: Sequence[int], most: int
) -> tuple[Mapping[str, int], int]:
    """Judge members and give as many as `most` of them a coupon; how many of each verdict, and who was the last."""
    rows = session.connection().exec_driver_sql(
        GIVE,
        {
            **asked(push, offer.terms, offer.now),
            "members": list(member_ids),
            "most": most,
            "coupon_ids": ids.new_ids(most),
            "codes": codes.new_codes(most),
            "version": offer.version,
            "valid_from": offer.valid[0],
            "valid_to": offer.valid[1],
            "now": offer.now,
        },
    )
    found = rows.fetchall()
    return {verdict: count for verdict, count, _ in found}, max(row[2] for row in found)


def asked(push: CouponPush, terms: rules.Terms, now: datetime) -> dict[str, Any]:
    """The parameters by which members are judged at a moment."""
    began = rules.periods(terms, now)
    return {
        **{f"{period}_began": began.get(period, now) for period in rules.PERIODS},
        **{f"per_{period}": getattr(terms, f"per_{period}") for period in rules.PERIODS},
        "brand_id": push.brand_id,
        "campaign_id": push.campaign_id,
        "push_id": push.push_id,
        "ref": f"push:{push.push_id}",
        "per_member": terms.per_member,
        "hold_out_bp": push.hold_out_bp,
        "purpose": MARKETING,
        "channel": CHANNEL,
        "correlation_id": push.correlation_id or context.correlation_id(),
    }


_CAMPAIGN = text("""
SELECT status, version, day_quota, allocated FROM campaign
WHERE brand_id = :brand_id AND campaign_id = :campaign_id FOR SHARE
""")


def _offer(push: CouponPush) -> _Offer | None:
    """What coupons get now; None, and the push stopped, when the campaign gives out none. The campaign stays as it is
    until the transaction ends.
    """
    key = {"brand_id": push.brand_id, "campaign_id": push.campaign_id}
    status, version, day_quota, allocated = session.execute(_CAMPAIGN, key).one()
    terms, now = queries.version_terms(push.brand_id, push.campaign_id, version), clock.now()
    valid = rules.window(terms, now)
    if status != "active" or valid is None:
        _stop(push, "campaign_paused" if status == "paused" else "campaign_closed")
        return None
    if allocated:
        _stop(push, "store_needed")
        return None
    return _Offer(version, terms, now, valid, stock.Day(rules.local_day(terms, now), day_quota))


def _stop(push: CouponPush, reason: str) -> None:
    push.status, push.stop_reason = "stopped", reason
    session.flush()


def stop_push(*, brand_id: int, push_id: int) -> None:
    """Stop a running push after the chunk it is at, or one that waits for another day's stock.

    Raises PushUnknown, PushEnded.
    """
    goes_on = or_(CouponPush.status == "running", CouponPush.stop_reason == "sold_out_today")
    _switch(brand_id, push_id, goes_on, status="stopped", stop_reason="operator")


def resume_push(*, brand_id: int, push_id: int) -> None:
    """Go on with a stopped push where it stopped; PushUnknown, PushEnded."""
    _switch(brand_id, push_id, CouponPush.status == "stopped", status="running", stop_reason=None)
    _ask(session.get_one(CouponPush, (brand_id, push_id), populate_existing=True))


def hold_waiting() -> Sequence[CouponPush]:
    """Pushes that stopped as a day's stock was gone, held until the transaction ends."""
    return session.scalars(
        select(CouponPush)
        .where(CouponPush.stop_reason == "sold_out_today")
        .order_by(CouponPush.brand_id, CouponPush.push_id)
        .with_for_update(skip_locked=True)
    ).all()


def _switch(brand_id: int, push_id: int, before: ColumnElement[bool], **values: Any) -> None:
    mine = (CouponPush.brand_id == brand_id, CouponPush.push_id == push_id)
    done = session.execute(
        update(CouponPush).where(*mine, before).values(**values).returning(CouponPush.push_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if done is None:
        if session.scalar(select(CouponPush.push_id).where(*mine)) is None:
            raise PushUnknown()
        raise PushEnded()


def _ask(push: CouponPush, issued: int = 0) -> None:
    outbox.emit(
        PushAdvanced(brand_id=push.brand_id, push_id=push.push_id, campaign_id=push.campaign_id, issued=issued)
    )
