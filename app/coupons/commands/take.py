"""Take a coupon out of a campaign's stock: a member claims one, or a flow issues one.

Both are the same statement. The member's limit is the uniqueness of (member, campaign, seq), the stock is a
conditional UPDATE of one stripe with a CHECK behind it, and either everything is written or nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from psycopg import errors as pg
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import clock, hot, ids
from app.core.db import session
from app.core.errors import Busy
from app.members import family

from .. import codes, queries, rules
from ..errors import CampaignClosed, CampaignPaused, CampaignUnknown, LimitReached, SoldOut
from ..events import Issued
from ..models import Coupon
from . import parts
from .parts import Key

# Sold-out, paused and over the limit are answered from this read alone. Stripes are 16-bit numbers.
# Who was merged into another takes as that other, under that one's limit.
_LOOK = """
SELECT k.status, k.claimable, k.version,
       (SELECT coalesce(max(seq), 0) FROM coupon c
        WHERE c.brand_id = k.brand_id AND c.member_id = owner.member_id AND c.campaign_id = k.campaign_id),
       (SELECT array_agg(s.stripe ORDER BY s.stripe) FROM campaign_stock s
        WHERE s.campaign_id = k.campaign_id AND s.issued < s.quota),
       owner.member_id
FROM campaign k
CROSS JOIN (
  SELECT coalesce((SELECT merged_into FROM member
                   WHERE brand_id = %(brand_id)s::bigint AND member_id = %(member_id)s::bigint),
                  %(member_id)s::bigint) AS member_id
) owner
WHERE k.brand_id = %(brand_id)s::bigint AND k.campaign_id = %(campaign_id)s::bigint
"""

# A second coupon of the same member at the same moment breaks on the uniqueness of seq, which takes the stock back too.
# The member's row is held as `members.family.keep` holds it: a merge waits for the claim, and a claim that waited for
# a merge finds nothing to take here and looks again.
_TAKE = f"""
holder AS (
  SELECT merged_into FROM member
  WHERE brand_id = %(brand_id)s::bigint AND member_id = %(member_id)s::bigint FOR KEY SHARE
), stock AS (
  UPDATE campaign_stock s SET issued = s.issued + 1
  WHERE s.campaign_id = %(campaign_id)s::bigint AND s.stripe = %(stripe)s::smallint AND s.issued < s.quota
    AND EXISTS (SELECT FROM campaign k WHERE k.brand_id = %(brand_id)s::bigint AND k.campaign_id = s.campaign_id
                AND k.status = 'active' AND k.version = %(version)s::int)
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
CLAIM = f"""WITH {_TAKE.format(condition=parts.KEY_IS_NEW)}, promised AS ({parts.key("taken")}
) SELECT coupon_id FROM taken"""
ISSUE = f"WITH {_TAKE.format(condition='true')} SELECT coupon_id FROM taken"

# Every lost try means that another coupon was given out, so this many in a row is a very busy last few coupons.
_TRIES = 20


class Look(NamedTuple):
    """A campaign as the statement will want it: its state, the member's coupons so far, stripes with stock, and whose
    the coupon will be: the member, or the one it was merged into.
    """

    status: str
    claimable: bool
    version: int
    taken: int
    stripes: list[int] | None
    member_id: int


class Taken(NamedTuple):
    """What a claim answers."""

    coupon_id: int
    campaign_id: int
    valid_from: str
    valid_to: str


_Fetch = Callable[[str, Mapping[str, Any]], Any]


def claim(*, brand_id: int, member_id: int, campaign_id: int, key: Key) -> Taken:
    """A member takes a coupon by himself. Autocommitted on the hot pool; the same key gets the same answer.

    Raises CampaignUnknown, CampaignClosed, CampaignPaused, SoldOut, LimitReached.
    """

    def attempt() -> Taken | None:
        try:
            return _claim(brand_id, member_id, campaign_id, key)
        except pg.UniqueViolation:
            return None  # the same member or the same key at the same moment: look again

    return parts.once(key, attempt, lambda answer: Taken(**answer), tries=_TRIES)


def _claim(brand_id: int, member_id: int, campaign_id: int, key: Key) -> Taken | None:
    look = _look(hot.fetch_one, brand_id, member_id, campaign_id)
    if not look.claimable:
        raise CampaignUnknown()
    terms = queries.terms(brand_id, campaign_id, look.version)
    taken, parameters = _prepare(look, terms, brand_id, campaign_id, source="self", source_ref=None)
    parameters |= {
        "key_scope": key.scope,
        "key": key.key,
        "key_digest": key.digest,
        "answer": json.dumps(taken._asdict()),
    }
    return taken if hot.fetch_one(CLAIM, parameters) is not None else None


def issue(
    *,
    brand_id: int,
    member_id: int,
    campaign_id: int,
    source: str,
    source_ref: str,
    guide_id: int | None = None,
) -> int:
    """Give a member a coupon in the open transaction; returns its id, the same one for the same (source, source_ref).
    Who was merged into another is given it as that other.

    Stock and limit hold as for a claim: SoldOut, LimitReached, CampaignPaused, CampaignClosed are raised with the
    transaction still usable.
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
        look = _look(_in_session, brand_id, member_id, campaign_id)
        # Through the session, as the campaign may be as new as this transaction.
        terms = queries.version_terms(brand_id, campaign_id, look.version)
        taken, parameters = _prepare(
            look, terms, brand_id, campaign_id, source=source, source_ref=source_ref, guide_id=guide_id
        )
        try:
            with session.begin_nested():
                if _in_session(ISSUE, parameters) is not None:
                    return taken.coupon_id
        except IntegrityError as error:
            if not isinstance(error.orig, pg.UniqueViolation):
                raise
    raise Busy(retry_after=1)


def _in_session(statement: str, parameters: Mapping[str, Any]) -> Any:
    return session.connection().exec_driver_sql(statement, dict(parameters)).fetchone()


def _look(fetch: _Fetch, brand_id: int, member_id: int, campaign_id: int) -> Look:
    row = fetch(_LOOK, {"brand_id": brand_id, "member_id": member_id, "campaign_id": campaign_id})
    if row is None:
        raise CampaignUnknown()
    return Look._make(row)


def _prepare(
    look: Look,
    terms: rules.Terms,
    brand_id: int,
    campaign_id: int,
    *,
    source: str,
    source_ref: str | None,
    guide_id: int | None = None,
) -> tuple[Taken, dict[str, Any]]:
    """The coupon that would be taken and the statement's parameters; raises why there is none to take."""
    now = clock.now()
    if look.status == "paused":
        raise CampaignPaused()
    if look.status != "active":
        raise CampaignClosed()
    valid = rules.window(terms, now)
    if valid is None:
        raise CampaignClosed()
    if look.taken >= terms.per_member:
        raise LimitReached(limit=terms.per_member)
    if not look.stripes:
        raise SoldOut()
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
        "store_id": None,
    }
    return Taken(coupon_id, campaign_id, valid[0].isoformat(), valid[1].isoformat()), parameters


def _stripe(stripes: list[int], member_id: int) -> int:
    """The member's home stripe among those that still hold stock. A CRC, as the low bits of ids are not even."""
    return stripes[zlib.crc32(member_id.to_bytes(8)) % len(stripes)]
