"""Codes that are printed or sent, each good for one coupon: made in bulk, given out once, exchanged by members.

A code is kept as a MAC, so that a reader of the database can neither use nor print it; the plain ones wait encrypted
for one export and are deleted when it has ended. Drawn at random rather than derived from the batch's number, so that
whoever learns how one code was made learns nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, text, update

from app.core import bulk, clock, crypto, ids, outbox
from app.core.db import session
from app.core.errors import Invalid
from app.members import family
from app.members import queries as members

from .. import codes, queries
from ..errors import (
    BatchNotReady,
    BatchUnknown,
    CodesExported,
    CodesExporting,
    RedeemCodeEnded,
    RedeemCodeUnknown,
    RedeemCodeUsed,
)
from ..events import CodesDue
from ..issue_models import RedeemBatch, RedeemCode, SealedCodes
from ..models import Coupon
from .take import issue

CHUNK = 50_000
MOST = 5_000_000
SOURCE = "redeem_code"
SEALED_CONTEXT = "redeem_code.sealed"
EXPORT_LEASE = timedelta(minutes=10)
_BLOCK = 5_000
_MAC_BYTES = 16
_LENGTH = 13
_QUIET = {"synchronize_session": False}
_COPY = "COPY redeem_code (mac, brand_id, batch_id, number) FROM STDIN"


def mac_of(brand_id: int, code: str) -> bytes:
    """What a code is found by: 128 bits that only we can make of it."""
    return crypto.mac("redeem_code", f"{brand_id}:{code}".encode())[:_MAC_BYTES]


def order_codes(
    *, brand_id: int, campaign_id: int, name: str, size: int, ends_at: datetime | None, created_by: str
) -> RedeemBatch:
    """Order a batch of codes; workers make them. Raises CampaignUnknown, Invalid."""
    if not 1 <= size <= MOST:
        raise Invalid(f"A batch has 1 to {MOST} codes.", field="size")
    queries.campaign(brand_id, campaign_id)
    batch = RedeemBatch(
        brand_id=brand_id, campaign_id=campaign_id, name=name, size=size, ends_at=ends_at, created_by=created_by
    )
    session.add(batch)
    session.flush()
    outbox.emit(CodesDue(brand_id=brand_id, batch_id=batch.batch_id))
    return batch


def make_codes(event: CodesDue) -> None:
    """Subscriber: make the next codes of a batch, in one COPY, and ask for those after them. Its row, held, is the
    cursor: killing it anywhere and running it again makes as many as were ordered.
    """
    batch = session.scalar(
        select(RedeemBatch)
        .where(
            RedeemBatch.brand_id == event.brand_id,
            RedeemBatch.batch_id == event.batch_id,
            RedeemBatch.status == "making",
        )
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if batch is None:
        return
    first, count = batch.made + 1, min(CHUNK, batch.size - batch.made)
    made = codes.new_codes(count)
    with bulk.connection().cursor() as cursor, cursor.copy(_COPY) as copy:
        for block in _lines(batch, first, made):  # the server stores one block while we make the next
            copy.write(block)
    sealed = crypto.encrypt("".join(made), context=SEALED_CONTEXT)
    session.add(SealedCodes(brand_id=batch.brand_id, batch_id=batch.batch_id, first=first, body=sealed))
    batch.made += count
    if batch.made == batch.size:
        batch.status = "ready"
    else:
        outbox.emit(event)
    session.flush()


def _lines(batch: RedeemBatch, first: int, made: Sequence[str]) -> Iterator[str]:
    """COPY text of codes, block by block."""
    prefix, rest = f"{batch.brand_id}:", f"\t{batch.brand_id}\t{batch.batch_id}\t"
    mac, name, size = crypto.mac, "redeem_code", _MAC_BYTES
    for start in range(0, len(made), _BLOCK):
        yield "".join(
            [
                f"\\\\x{mac(name, (prefix + code).encode())[:size].hex()}{rest}{number}\n"
                for number, code in enumerate(made[start : start + _BLOCK], first + start)
            ]
        )


def begin_export(*, brand_id: int, batch_id: int) -> RedeemBatch:
    """Take the right to export a batch's plain codes, for ten minutes; who breaks off may begin again, who ended may
    not. Raises BatchUnknown, BatchNotReady, CodesExported, CodesExporting.
    """
    now = clock.now()
    mine = (RedeemBatch.brand_id == brand_id, RedeemBatch.batch_id == batch_id)
    free = or_(RedeemBatch.exporting_until.is_(None), RedeemBatch.exporting_until <= now)
    done = session.execute(
        update(RedeemBatch)
        .where(*mine, RedeemBatch.status == "ready", RedeemBatch.exported_at.is_(None), free)
        .values(exports=RedeemBatch.exports + 1, exporting_until=now + EXPORT_LEASE)
        .returning(RedeemBatch.batch_id),
        execution_options=_QUIET,
    ).one_or_none()
    batch = session.get(RedeemBatch, (brand_id, batch_id), populate_existing=True)
    if batch is None:
        raise BatchUnknown()
    if done is None:
        if batch.status != "ready":
            raise BatchNotReady()
        raise CodesExported() if batch.exported_at is not None else CodesExporting()
    return batch


def plain_codes(brand_id: int, batch_id: int, first: int) -> list[str]:
    """The codes sealed together from a number on; empty when there are none."""
    row = session.get(SealedCodes, (brand_id, batch_id, first), populate_existing=True)
    if row is None:
        return []
    body = crypto.decrypt(row.body, context=SEALED_CONTEXT)
    return [body[start : start + _LENGTH] for start in range(0, len(body), _LENGTH)]


def end_export(*, brand_id: int, batch_id: int) -> None:
    """All codes were handed over: the plain ones are forgotten."""
    mine = (RedeemBatch.brand_id == brand_id, RedeemBatch.batch_id == batch_id)
    session.execute(
        update(RedeemBatch).where(*mine).values(exported_at=clock.now(), exporting_until=None),
        execution_options=_QUIET,
    )
    _forget_plain(brand_id, batch_id)


def void_codes(*, brand_id: int, batch_id: int) -> None:
    """No code of a batch is good from now on; what was exchanged stays. BatchUnknown, BatchNotReady when voided."""
    mine = (RedeemBatch.brand_id == brand_id, RedeemBatch.batch_id == batch_id)
    done = session.execute(
        update(RedeemBatch)
        .where(*mine, RedeemBatch.status != "voided")
        .values(status="voided")
        .returning(RedeemBatch.batch_id),
        execution_options=_QUIET,
    ).one_or_none()
    if done is None:
        if session.scalar(select(RedeemBatch.batch_id).where(*mine)) is None:
            raise BatchUnknown()
        raise BatchNotReady()
    _forget_plain(brand_id, batch_id)


def _forget_plain(brand_id: int, batch_id: int) -> None:
    session.execute(
        delete(SealedCodes).where(SealedCodes.brand_id == brand_id, SealedCodes.batch_id == batch_id),
        execution_options=_QUIET,
    )


_USE = text("""
UPDATE redeem_code SET used_at = :now, coupon_id = :coupon_id WHERE mac = :mac AND used_at IS NULL RETURNING number
""")


def exchange(*, brand_id: int, member_id: int, code: str) -> Coupon:
    """Exchange a code for a coupon in the open transaction: who marks the code first has it. A member who exchanged it
    before gets the same coupon again.

    Raises RedeemCodeUnknown (also for a slip of the pen), RedeemCodeUsed, RedeemCodeEnded, and why the campaign gives
    none now (SoldOut, LimitReached, CampaignPaused, CampaignClosed): then the code stays good.
    """
    plain = codes.typed(code)
    if plain is None:
        raise RedeemCodeUnknown(mistyped=True)
    mac, now = mac_of(brand_id, plain), clock.now()
    found = session.scalar(
        select(RedeemCode)
        .where(RedeemCode.mac == mac, RedeemCode.brand_id == brand_id)
        .with_for_update()  # of many who have it, each sees what the one before did
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise RedeemCodeUnknown()
    ref = f"{ids.encode('cdb', found.batch_id)}:{found.number}"
    if found.used_at is not None:
        return _mine(brand_id, member_id, ref)
    batch = session.get_one(RedeemBatch, (brand_id, found.batch_id), populate_existing=True)
    if batch.status != "ready" or (batch.ends_at is not None and batch.ends_at <= now):
        raise RedeemCodeEnded()
    member = members.living(brand_id, member_id)
    coupon_id = issue(
        brand_id=brand_id,
        member_id=member_id,
        campaign_id=batch.campaign_id,
        source=SOURCE,
        source_ref=ref,
        store_id=member.home_store_id if member is not None else None,
    )
    if session.execute(_USE, {"now": now, "coupon_id": coupon_id, "mac": mac}).one_or_none() is None:
        raise RedeemCodeUsed()
    return queries.owned(brand_id, member_id, coupon_id)


def _mine(brand_id: int, member_id: int, ref: str) -> Coupon:
    coupon = session.scalar(
        select(Coupon).where(
            Coupon.brand_id == brand_id,
            Coupon.member_id.in_(family.family(brand_id, member_id).homes),
            Coupon.source == SOURCE,
            Coupon.source_ref == ref,
        )
    )
    if coupon is None:
        raise RedeemCodeUsed()
    return coupon
