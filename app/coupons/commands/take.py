"""Take a coupon out of a campaign's stock: a member claims one, or a flow issues one.

Both are the same statement. The member's limit is the uniqueness of (member, campaign, seq), the stock is a
conditional UPDATE of one stripe with a CHECK behind it, and either everything is written or nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as pg
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.core import clock, hot, ids
from app.core.db import session
from app.core.errors import Busy
from app.core.idempotency import Asked
from app.members import family

from .. import codes, queries, rules
from ..errors import CampaignUnknown, SoldOut
from ..events import Issued
from ..models import Coupon
from . import parts, sold_out
from .looks import Fetch, Look, check, check_narrow, giving_store, look_at
from .parts import Key

# A second coupon of the same member at the same moment breaks on the uniqueness of seq, which takes the stock back too.
# A campaign that was switched, revised, or given a day's or stores' stock meanwhile is looked at again.
# The member's row is held as `members.family.keep` holds it: a merge waits for the claim, and a claim that waited for
# a merge finds nothing to take here and looks again.
_AS_READ = """k.status = 'active' AND k.version = %(version)s::int
                AND k.day_quota IS NOT DISTINCT FROM %(day_quota)s::bigint AND k.allocated = %(allocated)s::boolean"""
_TAKE = f"""
holder AS (
  SELECT merged_into FROM member
  WHERE brand_id = %(brand_id)s::bigint AND member_id = %(member_id)s::bigint FOR KEY SHARE
), stock AS (
  UPDATE campaign_stock s SET issued = s.issued + 1
  WHERE s.campaign_id = %(campaign_id)s::bigint AND s.stripe = %(stripe)s::smallint AND s.issued < s.quota
    AND EXISTS (SELECT FROM campaign k WHERE k.brand_id = %(brand_id)s::bigint AND k.campaign_id = s.campaign_id
                AND {_AS_READ})
    AND NOT EXISTS (SELECT FROM holder WHERE merged_into IS NOT NULL)
    AND {{condition}}
  RETURNING s.campaign_id
), taken AS (
  INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,
                      valid_to, source, source_ref, guide_id, correlation_id)
  SELECT %(brand_id)s::bigint, %(member_id)s::bigint, %(coupon_id)s::bigint, campaign_id, %(version)s::int,
         %(seq)s::int, %(code)s, 'claimed', %(now)s::timestamptz, %(valid_from)s::timestamptz,
         %(valid_to)s::timestamptz, %(source)s, %(source_ref)s, %(guide_id)s::bigint, %(correlation_id)s
  FROM stock
  RETURNING brand_id, member_id, coupon_id
), coded AS (
  INSERT INTO coupon_code (code, brand_id, member_id, coupon_id)
  SELECT %(code)s, brand_id, member_id, coupon_id FROM taken
), noted AS ({parts.event("taken")}
), told AS ({parts.outbox("taken")}
)
"""
_KEPT = f", promised AS ({parts.key('taken')})"
# What the stock of a day and of a store allow, before the campaign's own stock. A change that stops half-way is undone.
_SHARED = """
open AS (
  SELECT FROM campaign k
  WHERE k.brand_id = %(brand_id)s::bigint AND k.campaign_id = %(campaign_id)s::bigint
    AND {as_read} AND {condition}
), day AS (
  INSERT INTO campaign_day AS d (campaign_id, day, brand_id, quota, issued)
  SELECT %(campaign_id)s::bigint, %(day)s::date, %(brand_id)s::bigint, %(day_quota)s::bigint, 1
  FROM open WHERE %(day_quota)s::bigint IS NOT NULL
  ON CONFLICT (campaign_id, day) DO UPDATE SET issued = d.issued + 1 WHERE d.issued < d.quota
  RETURNING d.campaign_id
), allocation AS (
  UPDATE campaign_allocation a SET issued = a.issued + 1
  FROM open
  WHERE a.campaign_id = %(campaign_id)s::bigint AND a.store_id = %(store_id)s::bigint AND a.issued < a.quota
    AND %(allocated)s::boolean
  RETURNING a.campaign_id
), """
_BOTH = """(%(day_quota)s::bigint IS NULL OR EXISTS (SELECT FROM day))
    AND (NOT %(allocated)s::boolean OR EXISTS (SELECT FROM allocation)) AND {condition}"""
_OR_NOTHING = """ SELECT coupon_id FROM taken
UNION ALL SELECT refuse('overtaken') FROM (SELECT FROM day UNION ALL SELECT FROM allocation) narrow
WHERE NOT EXISTS (SELECT FROM taken) LIMIT 1"""


def _shared(condition: str, more: str) -> str:
    head, both = _SHARED.format(condition=condition, as_read=_AS_READ), _BOTH.format(condition=condition)
    return f"WITH {head}{_TAKE.format(condition=both)}{more}{_OR_NOTHING}"


CLAIM = f"WITH {_TAKE.format(condition=parts.KEY_IS_NEW)}{_KEPT} SELECT coupon_id FROM taken"
ISSUE = f"WITH {_TAKE.format(condition='true')} SELECT coupon_id FROM taken"
CLAIM_SHARED, ISSUE_SHARED = _shared(parts.KEY_IS_NEW, _KEPT), _shared("true", "")

# Every lost try means that another coupon was given out, so this many in a row is a very busy last few coupons.
_TRIES = 20


class Taken(NamedTuple):
    """What a claim answers."""

    coupon_id: int
    campaign_id: int
    valid_from: str
    valid_to: str


def claim(
    *,
    brand_id: int,
    member_id: int,
    campaign_id: int,
    key: Key,
    store_id: int | None = None,
    asked: Asked | None = None,
) -> Taken:
    """A member takes a coupon by himself. Autocommitted on the hot pool; the same key gets the same answer.
    `store_id`: whose part of the stock it is taken from, where the stock is with the stores; the member's home store,
    if none is named. `asked`: what the caller found under the key.

    Raises CampaignUnknown, CampaignClosed, CampaignPaused, SoldOut, SoldOutToday, StoreNeeded, StoreSoldOut,
    LimitReached, PeriodLimitReached.
    """
    if asked is not None:
        if asked.digest is not None and asked.answer is not None:
            return Taken(**parts.answered(key, asked.digest, asked.answer))
        if sold_out.seen(campaign_id, before=asked.at):
            raise SoldOut()

    def attempt() -> Taken | None:
        try:
            return _claim(brand_id, member_id, campaign_id, store_id, key)
        except (pg.UniqueViolation, pg.RaiseException):
            # The same member or the same key at the same moment, or a stock that ended half-way: look again.
            return None
        except SoldOut:
            sold_out.saw(campaign_id)
            raise

    return parts.once(key, attempt, lambda answer: Taken(**answer), tries=_TRIES)


def _claim(brand_id: int, member_id: int, campaign_id: int, store_id: int | None, key: Key) -> Taken | None:
    look = look_at(hot.fetch_one, brand_id, member_id, campaign_id)
    if not look.claimable:
        raise CampaignUnknown()
    terms, now = queries.terms(brand_id, campaign_id, look.version), clock.now()
    valid = check(look, terms, now)
    taken, parameters = _prepare(
        hot.fetch_one,
        look,
        terms,
        brand_id,
        campaign_id,
        now=now,
        valid=valid,
        source="self",
        source_ref=None,
        store_id=store_id,
    )
    parameters |= {
        "key_scope": key.scope,
        "key": key.key,
        "key_digest": key.digest,
        "answer": json.dumps(taken._asdict()),
    }
    statement = CLAIM_SHARED if look.day_quota or look.allocated else CLAIM
    return taken if hot.fetch_one(statement, parameters) is not None else None


def issue(
    *,
    brand_id: int,
    member_id: int,
    campaign_id: int,
    source: str,
    source_ref: str,
    guide_id: int | None = None,
    store_id: int | None = None,
) -> int:
    """Give a member a coupon in the open transaction; returns its id, the same one for the same (source, source_ref).
    Who was merged into another is given it as that other.

    Stocks and limits hold as for a claim, whose refusals are raised with the transaction still usable.
    """
    for _ in range(_TRIES):
        given = session.scalar(
            select(Coupon.coupon_id).where(
                Coupon.brand_id == brand_id,
                Coupon.member_id.in_(family.family(brand_id, member_id).homes),
                Coupon.source == source,
                Coupon.source_ref == source_ref,
            )
        )
        if given is not None:
            return given
        look = look_at(_in_session, brand_id, member_id, campaign_id)
        # Through the session, as the campaign may be as new as this transaction.
        terms, now = queries.version_terms(brand_id, campaign_id, look.version), clock.now()
        taken, parameters = _prepare(
            _in_session,
            look,
            terms,
            brand_id,
            campaign_id,
            now=now,
            valid=check(look, terms, now),
            source=source,
            source_ref=source_ref,
            guide_id=guide_id,
            store_id=store_id,
        )
        statement = ISSUE_SHARED if look.day_quota or look.allocated else ISSUE
        try:
            with session.begin_nested():
                if _in_session(statement, parameters) is not None:
                    return taken.coupon_id
        except DBAPIError as error:
            if not isinstance(error.orig, pg.UniqueViolation | pg.RaiseException):
                raise
    raise Busy(retry_after=1)


def _in_session(statement: str, parameters: Mapping[str, Any]) -> Any:
    return session.connection().exec_driver_sql(statement, dict(parameters)).fetchone()


def _prepare(
    fetch: Fetch,
    look: Look,
    terms: rules.Terms,
    brand_id: int,
    campaign_id: int,
    *,
    now: datetime,
    valid: tuple[datetime, datetime],
    source: str,
    source_ref: str | None,
    guide_id: int | None = None,
    store_id: int | None = None,
) -> tuple[Taken, dict[str, Any]]:
    """The coupon that would be taken and the statement's parameters; raises why the narrower stocks and limits have
    none.
    """
    assert look.stripes is not None  # `check` was there
    day = rules.local_day(terms, now)
    store_id = giving_store(fetch, brand_id, look, store_id)
    check_narrow(fetch, look, terms, brand_id, campaign_id, store_id, day, now)
    coupon_id = ids.new_id()
    told = Issued(
        brand_id=brand_id,
        member_id=look.member_id,
        coupon_id=coupon_id,
        campaign_id=campaign_id,
        source=source,
        guide_id=guide_id,
    )
    parameters = parts.common(told, now)
    parameters |= {
        "campaign_id": campaign_id,
        "version": look.version,
        "stripe": _stripe(look.stripes, look.member_id),
        "coupon_id": coupon_id,
        "seq": look.taken + 1,
        "code": codes.new_code(),
        "valid_from": valid[0],
        "valid_to": valid[1],
        "source": source,
        "source_ref": source_ref,
        "guide_id": guide_id,
        "from_status": None,
        "to_status": "claimed",
        "cause": source,
        "order_no": None,
        "store_id": store_id,
        "day": day,
        "day_quota": look.day_quota,
        "allocated": look.allocated,
    }
    return Taken(coupon_id, campaign_id, valid[0].isoformat(), valid[1].isoformat()), parameters


def _stripe(stripes: list[int], member_id: int) -> int:
    """The member's home stripe among those that still hold stock. A CRC, as the low bits of ids are not even."""
    return stripes[zlib.crc32(member_id.to_bytes(8)) % len(stripes)]
