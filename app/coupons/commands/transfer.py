"""A member gives a coupon to a friend: it is held under a one-time link, and whoever takes it first has it.

The giver's coupon ends (voided, cause `given`) and the friend gets one of the same terms and validity, under the
friend's own limit and without touching the stock: one coupon left it, and one is out. Nothing but the hash of a link's
token is kept; the giver's own link is worked out anew from the transfer when they ask for it again.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, NamedTuple

from psycopg import errors as pg
from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from app.core import clock, context, crypto, ids, outbox
from app.core.db import session
from app.core.errors import Busy
from app.members import family

from .. import codes, queries
from ..errors import (
    CampaignPaused,
    CouponVoided,
    LimitReached,
    NotTransferable,
    PeriodLimitReached,
    TransferEnded,
    TransferOwn,
    TransferUnknown,
)
from ..events import Issued, Voided
from ..issue_models import CouponTransfer, TransferToken
from ..models import Campaign, Coupon
from ..rules import OFFER, Terms, periods
from . import parts
from .parts import note

HOLD = timedelta(hours=24)
_TRIES = 5
_TOKEN_BYTES = 16
_QUIET = {"synchronize_session": False}


def held_as(transfer_id: int) -> str:
    """The name under which a coupon is locked while it is offered."""
    return ids.encode(OFFER.removesuffix("_"), transfer_id)


def token_of(transfer_id: int) -> str:
    """The token of a transfer's link: only we can make it."""
    return crypto.mac("coupon.transfer.token", transfer_id.to_bytes(8))[:_TOKEN_BYTES].hex()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def offer_transfer(*, brand_id: int, member_id: int, coupon_id: int) -> int:
    """Hold a member's open coupon for a friend for a day (or as long as it is valid); the transfer's id.

    Raises CouponUnknown, NotTransferable, CampaignPaused, and why the coupon cannot be given.
    """
    now = clock.now()
    coupon = queries.owned(brand_id, member_id, coupon_id)
    terms = queries.version_terms(brand_id, coupon.campaign_id, coupon.version)
    if not terms.transferable:
        raise NotTransferable()
    _check_campaign(brand_id, coupon.campaign_id)
    queries.check_open(coupon, now)
    transfer_id, was = ids.new_id(), coupon.status
    expires_at = min(now + HOLD, coupon.valid_to)
    held = session.execute(
        update(Coupon)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == coupon.member_id,
            Coupon.coupon_id == coupon_id,
            Coupon.status == was,
            or_(Coupon.status != "locked", Coupon.locked_until <= now),
            Coupon.valid_to > now,
        )
        .values(status="locked", locked_order=held_as(transfer_id), locked_until=expires_at)
        .returning(Coupon.coupon_id),
        execution_options=_QUIET,
    ).one_or_none()
    if held is None:
        raise Busy(retry_after=1)
    key = {"brand_id": brand_id, "member_id": coupon.member_id, "transfer_id": transfer_id}
    token_hash = _hash(token_of(transfer_id))
    session.execute(
        insert(CouponTransfer).values(
            **key,
            coupon_id=coupon_id,
            token_hash=token_hash,
            status="open",
            created_at=now,
            expires_at=expires_at,
            correlation_id=context.correlation_id(),
        )
    )
    session.execute(insert(TransferToken).values(token_hash=token_hash, **key))
    note([(brand_id, coupon.member_id, coupon_id, was)], to="locked", cause="offered")
    return transfer_id


def take_back_transfer(*, brand_id: int, member_id: int, transfer_id: int) -> None:
    """The giver wants an offered coupon back; TransferUnknown, TransferEnded when it is taken or was theirs again."""
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    mine = (
        CouponTransfer.brand_id == brand_id,
        CouponTransfer.member_id == member_id,
        CouponTransfer.transfer_id == transfer_id,
    )
    now = clock.now()
    coupon_id = session.scalar(
        update(CouponTransfer)
        .where(*mine, CouponTransfer.status == "open", CouponTransfer.expires_at > now)
        .values(status="taken_back", ended_at=now)
        .returning(CouponTransfer.coupon_id),
        execution_options=_QUIET,
    )
    if coupon_id is None:
        if session.scalar(select(CouponTransfer.transfer_id).where(*mine)) is None:
            raise TransferUnknown()
        raise TransferEnded()
    released = session.scalar(
        update(Coupon)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == member_id,
            Coupon.coupon_id == coupon_id,
            Coupon.status == "locked",
            Coupon.locked_order == held_as(transfer_id),
        )
        .values(status="claimed", locked_order=None, locked_until=None)
        .returning(Coupon.coupon_id),
        execution_options=_QUIET,
    )
    if released is not None:  # else it was voided meanwhile
        note([(brand_id, member_id, coupon_id, "locked")], to="claimed", cause="taken_back")


class Found(NamedTuple):
    """The transfer behind a link."""

    member_id: int
    transfer_id: int


def find_transfer(brand_id: int, token: str) -> Found:
    """The transfer of the brand that a token means; TransferUnknown otherwise."""
    row = session.get(TransferToken, _hash(token), populate_existing=True)
    if row is None or row.brand_id != brand_id:
        raise TransferUnknown()
    return Found(row.member_id, row.transfer_id)


# The transfer's state decides who takes it. Where the coupon was voided meanwhile nothing is taken, and the caller
# rolls the whole statement back.
_TAKE = f"""
WITH won AS (
  UPDATE coupon_transfer SET status = 'taken', ended_at = %(now)s, taken_by = %(member_id)s,
         taken_coupon_id = %(coupon_id)s
  WHERE brand_id = %(brand_id)s AND member_id = %(giver_id)s AND transfer_id = %(transfer_id)s AND status = 'open'
    AND expires_at > %(now)s
  RETURNING brand_id, member_id, coupon_id
), gone AS (
  UPDATE coupon c SET status = 'voided', locked_order = NULL, locked_until = NULL FROM won
  WHERE c.brand_id = won.brand_id AND c.member_id = won.member_id AND c.coupon_id = won.coupon_id
    AND c.status = 'locked' AND c.locked_order = %(held_as)s
  RETURNING c.*
), taken AS (
  INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,
                      valid_to, source, source_ref, guide_id, correlation_id)
  SELECT brand_id, %(member_id)s, %(coupon_id)s, campaign_id, version, %(seq)s, %(code)s, 'claimed', %(now)s,
         valid_from, valid_to, 'friend', %(held_as)s, guide_id, %(correlation_id)s
  FROM gone
  RETURNING brand_id, member_id, coupon_id
), coded AS (
  INSERT INTO coupon_code (code, brand_id, member_id, coupon_id)
  SELECT %(code)s, brand_id, member_id, coupon_id FROM taken
), ended AS (
  INSERT INTO coupon_event
      (brand_id, member_id, coupon_id, event_id, from_status, to_status, cause, at, correlation_id)
  SELECT brand_id, member_id, coupon_id, %(given_id)s, 'locked', 'voided', 'given', %(now)s, %(correlation_id)s
  FROM gone
), noted AS ({parts.event("taken")}
), told AS ({parts.outbox("taken")}
)
SELECT coupon_id FROM taken
"""


def take_transfer(*, brand_id: int, member_id: int, token: str) -> int:
    """A friend takes an offered coupon in the open transaction; the id of theirs, again the same when they took it
    before.

    Raises TransferUnknown, TransferOwn, TransferEnded, LimitReached for a friend who has all they may have,
    CampaignPaused.
    """
    for _ in range(_TRIES):
        found = find_transfer(brand_id, token)
        # In one order, as a merge locks them too.
        giver_id, friend_id = _keep_both(brand_id, found.member_id, member_id)
        if giver_id == friend_id:
            raise TransferOwn()
        row = session.get(CouponTransfer, (brand_id, giver_id, found.transfer_id), populate_existing=True)
        if row is None:
            continue  # moved with its member between the two
        if row.status == "taken" and row.taken_by and family.living_id(brand_id, row.taken_by) == friend_id:
            assert row.taken_coupon_id is not None
            return row.taken_coupon_id
        if row.status != "open" or row.expires_at <= clock.now():
            raise TransferEnded()
        try:
            with session.begin_nested():
                return _take(row, friend_id)
        except IntegrityError as error:
            if not isinstance(error.orig, pg.UniqueViolation):
                raise
    raise Busy(retry_after=1)


def _take(row: CouponTransfer, friend_id: int) -> int:
    brand_id = row.brand_id
    coupon = session.get_one(Coupon, (brand_id, row.member_id, row.coupon_id), populate_existing=True)
    _check_campaign(brand_id, coupon.campaign_id)
    terms = queries.version_terms(brand_id, coupon.campaign_id, coupon.version)
    had = session.scalar(_HAD, {"brand_id": brand_id, "member_id": friend_id, "campaign_id": coupon.campaign_id})
    if had >= terms.per_member:
        raise LimitReached(limit=terms.per_member)
    _check_periods(brand_id, friend_id, coupon.campaign_id, terms)
    coupon_id, given_id = ids.new_ids(2)
    told = Issued(
        brand_id=brand_id,
        member_id=friend_id,
        coupon_id=coupon_id,
        campaign_id=coupon.campaign_id,
        source="friend",
        guide_id=coupon.guide_id,
    )
    parameters: dict[str, Any] = parts.common(told, clock.now())
    parameters |= {
        "giver_id": row.member_id,
        "transfer_id": row.transfer_id,
        "held_as": held_as(row.transfer_id),
        "coupon_id": coupon_id,
        "given_id": given_id,
        "seq": had + 1,
        "code": codes.new_code(),
        "from_status": None,
        "to_status": "claimed",
        "cause": "friend",
        "order_no": None,
        "store_id": None,
    }
    if session.connection().exec_driver_sql(_TAKE, parameters).fetchone() is None:
        raise TransferEnded()
    outbox.emit(
        Voided(brand_id=brand_id, member_id=row.member_id, coupon_id=row.coupon_id, campaign_id=coupon.campaign_id)
    )
    return coupon_id


_HAD = text("""
SELECT coalesce(max(seq), 0) FROM coupon
WHERE brand_id = :brand_id AND member_id = :member_id AND campaign_id = :campaign_id
""")


def _keep_both(brand_id: int, one: int, other: int) -> tuple[int, int]:
    low, high = sorted((one, other))
    kept = {low: family.keep(brand_id=brand_id, member_id=low)}
    kept[high] = family.keep(brand_id=brand_id, member_id=high)
    return kept[one], kept[other]


def _check_campaign(brand_id: int, campaign_id: int) -> None:
    """Of a paused campaign nothing changes hands; what is out of an ended one stays good."""
    mine = (Campaign.brand_id == brand_id, Campaign.campaign_id == campaign_id)
    status = session.scalar(select(Campaign.status).where(*mine))
    if status == "paused":
        raise CampaignPaused()
    if status == "voided":
        raise CouponVoided()


def _check_periods(brand_id: int, member_id: int, campaign_id: int, terms: Terms) -> None:
    """What a member took this day, week or month counts, from whomever it came. Two at one moment meet at seq."""
    for period, since in periods(terms, clock.now()).items():
        mine = (Coupon.brand_id == brand_id, Coupon.member_id == member_id, Coupon.campaign_id == campaign_id)
        limit = getattr(terms, f"per_{period}")
        if (session.scalar(select(func.count()).where(*mine, Coupon.claimed_at >= since)) or 0) >= limit:
            raise PeriodLimitReached(period=period, limit=limit)
