"""Writes of twins and conflicts; they join the open transaction and speak to nobody outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.members import family

from ..commands.parts import note
from ..models import Coupon
from . import queries, rules
from .errors import TwinConflictClosed
from .events import TwinDue
from .models import CampaignChannel, CouponTwin, TwinCode, TwinConflict

_QUIET = {"synchronize_session": False}


def begin_twin(
    *, coupon: Coupon, binding: CampaignChannel, appid: str, openid: str, external_code: str | None = None
) -> bool:
    """Give a coupon a twin that is still to be asked for, or that stands there already (`external_code`).

    False when it has one. Nothing is begun where the binding has no stock yet.
    """
    if binding.stock_id is None or binding.product_id is None:
        return False
    now = clock.now()
    made = session.execute(
        insert(CouponTwin)
        .values(
            brand_id=coupon.brand_id,
            member_id=coupon.member_id,
            coupon_id=coupon.coupon_id,
            campaign_id=coupon.campaign_id,
            channel=binding.channel,
            product_id=binding.product_id,
            stock_id=binding.stock_id,
            own_codes=binding.own_codes,
            appid=appid,
            openid=openid,
            external_code=None,
            state="wanted",
            fact_rank=0,
            looked_at=now,
            created_at=now,
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(CouponTwin.coupon_id)
    ).one_or_none()
    if made is not None and external_code is not None:
        _name(coupon.brand_id, coupon.member_id, coupon.coupon_id, binding.channel, external_code)
    return made is not None


def due(*, brand_id: int, member_id: int, coupon_id: int) -> None:
    """Have both sides of a coupon compared soon."""
    outbox.emit(TwinDue(brand_id=brand_id, member_id=member_id, coupon_id=coupon_id))


def note_asked(row: CouponTwin) -> None:
    """The channel is about to be asked for the coupon: from now on there may be one."""
    if row.asked_at is None:
        row.asked_at = clock.now()
        session.flush()


def note_fact(*, brand_id: int, member_id: int, coupon_id: int, fact: rules.Fact, asked: bool = False) -> bool:
    """Write down what a channel said of a coupon; False when something newer is known, and nothing was changed.

    `asked`: it answers a question of ours, so that it decides what messages of one second leave open; a message that
    came by itself can only say that there is a doubt, and the channel is asked. One conditional statement, so the
    order of workers does not matter either. What ended there stays ended.
    """
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    here = (
        CouponTwin.brand_id == brand_id,
        CouponTwin.member_id == member_id,
        CouponTwin.coupon_id == coupon_id,
    )
    same_second = CouponTwin.fact_at == fact.at
    doubted = and_(CouponTwin.state == "used", CouponTwin.use_ref.is_(None))
    older = or_(
        CouponTwin.fact_at.is_(None),
        CouponTwin.fact_at < fact.at,
        or_(same_second, doubted) if asked else and_(same_second, CouponTwin.fact_rank < fact.rank),
    )
    values: dict[str, Any] = {
        "state": fact.state,
        "fact_at": func.greatest(CouponTwin.fact_at, fact.at),
        "fact_rank": case((same_second, func.greatest(CouponTwin.fact_rank, fact.rank)), else_=fact.rank),
        "last_error": None,
    }
    if fact.state == "used":
        values |= {"use_ref": fact.use_ref, "order_no": fact.order_no}
    changed = session.execute(
        update(CouponTwin)
        .where(*here, older, CouponTwin.state.not_in(("dropped", "deactivated", "deleted")))
        .values(**values)
        .returning(CouponTwin.channel),
        execution_options=_QUIET,
    ).one_or_none()
    if changed is None and not asked and fact.state == "used":
        _add_to_use(here, fact, same_second)
    if fact.external_code is not None:
        channel = changed.channel if changed else session.scalar(select(CouponTwin.channel).where(*here))
        if channel is not None:
            _name(brand_id, member_id, coupon_id, channel, fact.external_code)
    return changed is not None


def _add_to_use(here: tuple[ColumnElement[bool], ...], fact: rules.Fact, same_second: ColumnElement[bool]) -> None:
    """A use that was heard of in the second of the newest fact: the one that is known, or another one after it. One
    that is dated before the newest fact (the system there sets its time) may stand too: the channel is asked.
    """
    doubted = or_(
        and_(same_second, CouponTwin.state.in_(("used", *rules.GOOD))),
        and_(CouponTwin.fact_at > fact.at, CouponTwin.state.in_(rules.GOOD)),
    )
    another = and_(doubted, CouponTwin.use_ref.is_distinct_from(fact.use_ref))
    session.execute(
        update(CouponTwin).where(*here, another).values(state="used", use_ref=None, order_no=None),
        execution_options=_QUIET,
    )


def note_adopted(*, brand_id: int, member_id: int, coupon_id: int, redemption_id: int, ref: str) -> None:
    """A redemption of ours was made for a use in the channel."""
    _set(brand_id, member_id, coupon_id, {"adopted": redemption_id, "adopted_ref": ref, "last_error": None})


def withdraw_for_use(*, row: CouponTwin, ref: str) -> bool:
    """Withdraw ours: it was used in the channel, and no redemption can be made of that. False when ours moved, so that
    both sides must be compared again.
    """
    was = session.execute(
        select(Coupon.status)
        .where(
            Coupon.brand_id == row.brand_id,
            Coupon.member_id == row.member_id,
            Coupon.coupon_id == row.coupon_id,
            Coupon.status.in_(("claimed", "returned")),
        )
        .with_for_update()
    ).scalar_one_or_none()
    if was is None:
        return False
    session.execute(
        update(Coupon)
        .where(
            Coupon.brand_id == row.brand_id,
            Coupon.member_id == row.member_id,
            Coupon.coupon_id == row.coupon_id,
            Coupon.status == was,
        )
        .values(status="voided"),
        execution_options=_QUIET,
    )
    note([(row.brand_id, row.member_id, row.coupon_id, was)], to="voided", cause="used_outside", order_no=row.order_no)
    _set(row.brand_id, row.member_id, row.coupon_id, {"adopted": None, "adopted_ref": ref})
    return True


def note_error(*, brand_id: int, member_id: int, coupon_id: int, reason: str, state: str | None = None) -> None:
    """The channel refused; with a state that is where the twin ends."""
    _set(brand_id, member_id, coupon_id, {"last_error": reason})
    if state is not None:
        session.execute(
            update(CouponTwin)
            .where(
                CouponTwin.brand_id == brand_id,
                CouponTwin.member_id == family.keep(brand_id=brand_id, member_id=member_id),
                CouponTwin.coupon_id == coupon_id,
                CouponTwin.state == "wanted",  # else the channel told of it by itself meanwhile
            )
            .values(state=state),
            execution_options=_QUIET,
        )


def drop(*, brand_id: int, member_id: int, coupon_id: int) -> None:
    """Our coupon ended before the channel was asked for one."""
    session.execute(
        update(CouponTwin)
        .where(
            CouponTwin.brand_id == brand_id,
            CouponTwin.member_id == family.keep(brand_id=brand_id, member_id=member_id),
            CouponTwin.coupon_id == coupon_id,
            CouponTwin.state == "wanted",
            CouponTwin.asked_at.is_(None),
        )
        .values(state="dropped"),
        execution_options=_QUIET,
    )


def record_conflict(
    *,
    row: CouponTwin,
    kind: str,
    ref: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
) -> bool:
    """Lay before a person what cannot be both; once for a kind and reference, whoever finds it how often."""
    made = session.execute(
        insert(TwinConflict)
        .values(
            brand_id=row.brand_id,
            member_id=row.member_id,
            coupon_id=row.coupon_id,
            kind=kind,
            ref=ref,
            conflict_id=ids.new_id(),
            channel=row.channel,
            ours=dict(ours),
            theirs=dict(theirs),
            found_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(TwinConflict.conflict_id)
    ).one_or_none()
    return made is not None


def healed(*, brand_id: int, member_id: int, coupon_id: int, kind: str) -> None:
    """What the channel refused it did after all: nobody has to look any more."""
    session.execute(
        update(TwinConflict)
        .where(
            TwinConflict.brand_id == brand_id,
            TwinConflict.member_id == family.keep(brand_id=brand_id, member_id=member_id),
            TwinConflict.coupon_id == coupon_id,
            TwinConflict.kind == kind,
            TwinConflict.closed_at.is_(None),
        )
        .values(closed_at=clock.now(), closed_by="system"),
        execution_options=_QUIET,
    )


def close_conflict(*, brand_id: int, conflict_id: int, by: str, note: str, retell: bool) -> TwinConflict:
    """A person settled a conflict. `retell`: both sides are compared once more, and the channel told again.

    TwinConflictUnknown, TwinConflictClosed.
    """
    row = queries.conflict(brand_id, conflict_id)
    closed = session.execute(
        update(TwinConflict)
        .where(
            TwinConflict.brand_id == brand_id,
            TwinConflict.member_id == row.member_id,
            TwinConflict.conflict_id == conflict_id,
            TwinConflict.closed_at.is_(None),
        )
        .values(closed_at=clock.now(), closed_by=by, note=note)
        .returning(TwinConflict.conflict_id),
        execution_options=_QUIET,
    ).one_or_none()
    if closed is None:
        raise TwinConflictClosed()
    if retell:
        due(brand_id=brand_id, member_id=row.member_id, coupon_id=row.coupon_id)
    session.refresh(row)
    return row


def note_looked(*, brand_id: int, member_id: int, coupon_id: int) -> None:
    """Both sides were compared just now."""
    _set(brand_id, member_id, coupon_id, {"looked_at": clock.now()})


def _set(brand_id: int, member_id: int, coupon_id: int, values: Mapping[str, Any]) -> None:
    session.execute(
        update(CouponTwin)
        .where(
            CouponTwin.brand_id == brand_id,
            CouponTwin.member_id == family.keep(brand_id=brand_id, member_id=member_id),
            CouponTwin.coupon_id == coupon_id,
        )
        .values(**values),
        execution_options=_QUIET,
    )


def _name(brand_id: int, member_id: int, coupon_id: int, channel: str, external_code: str) -> None:
    """Let the channel's code lead to the coupon. A code that leads to another one stays there; the invariants tell."""
    session.execute(
        insert(TwinCode)
        .values(
            external_code=external_code, channel=channel, brand_id=brand_id, member_id=member_id, coupon_id=coupon_id
        )
        .on_conflict_do_nothing()
    )
    _set(brand_id, member_id, coupon_id, {"external_code": external_code})
