"""Compare both sides of one coupon and take the next step, until they agree or a person has to look.

Every step has a request number of its coupon or redemption, so one that was cut off is simply taken again. What the
channel answers goes through the same door as what it tells by itself: only news changes anything.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from app.core import log
from app.core.errors import Busy, ProgrammingError, Retryable, SiyuError
from app.core.work import Effect
from app.coupons import commands as coupons
from app.coupons import queries as coupon_queries
from app.coupons.errors import CouponLocked
from app.coupons.rules import OPEN_STATUSES, Line
from app.coupons.twins import commands, queries, rules
from app.coupons.twins.errors import ChannelRefused
from app.coupons.twins.events import TwinDue
from app.coupons.twins.models import CouponTwin
from app.coupons.twins.port import CouponChannel, StockRef, TwinRef
from app.coupons.twins.rules import Fact, Step
from app.org import queries as org

from . import adapters

REASON = "品牌已收回该券"
HELD_SECONDS = 60
SKU = "wechat-pay"
_log = log.get("coupon_twins")


@dataclass(frozen=True)
class Ask:
    """One step to take. `pay` is the order amount that the whole discount needs, for a use that came from outside."""

    brand_id: int
    member_id: int
    coupon_id: int
    channel: str
    step: Step
    twin: TwinRef
    order_no: str
    till: coupons.Till | None
    pay: int | None


@dataclass(frozen=True)
class Answer:
    """What came of it: what the channel says now, why it refused, which redemption was made of ours."""

    fact: Fact | None = None
    refused: str | None = None
    redemption_id: int | None = None


def _read(event: TwinDue) -> Ask | None:
    assert event.member_id is not None
    found = queries.whole(event.brand_id, event.member_id, event.coupon_id, lock=True)
    if found is None or found.twin.openid is None:
        return None
    twin, status = found.twin, found.coupon.status
    step = rules.next_step(status, queries.side(twin), found.uses)
    if step is None:
        return None
    key = {"brand_id": twin.brand_id, "member_id": twin.member_id, "coupon_id": twin.coupon_id}
    match step.kind:
        case "drop":
            commands.drop(**key)
            return None
        case "conflict":
            _lay_before(twin, status, step.about, step.ref, step.redemption)
            return None
        case "take_back":
            assert step.redemption is not None
            coupons.give_back(brand_id=twin.brand_id, redemption_id=step.redemption.redemption_id)
            return None
        case "send":
            commands.note_asked(twin)
    till, pay = _till(twin) if step.kind == "adopt" else (None, None)
    return Ask(
        **key,
        channel=twin.channel,
        step=step,
        twin=ref_of(twin, found.coupon.code),
        order_no=twin.order_no or f"{twin.channel}-{twin.external_code}"[:64],
        till=till,
        pay=pay,
    )


def _call(ask: Ask) -> Answer:
    if ask.step.kind == "adopt":
        return _adopt(ask)
    channel = adapters.channel(ask.channel)
    try:
        return Answer(_take(channel, ask))
    except ChannelRefused as refused:
        if ask.step.kind in ("send", "look"):
            return Answer(refused=refused.reason)
        # Perhaps it was done already, or the coupon is no longer what we think: its present state decides.
        _log.info("the channel refused", step=ask.step.kind, coupon=ask.coupon_id, reason=refused.reason)
        return Answer(channel.look(ask.twin), refused.reason)


def _take(channel: CouponChannel, ask: Ask) -> Fact:
    step, twin = ask.step, ask.twin
    number = rules.request_no(step.kind, ask.coupon_id, step.redemption)
    match step.kind:
        case "send":
            return channel.issue(twin, request_no=number)
        case "confirm":
            return channel.confirm(twin, request_no=number)
        case "use":
            assert step.redemption is not None
            used = step.redemption
            return channel.use(twin, at=used.at, order_no=used.order_no, request_no=number)
        case "return":
            return channel.give_back(twin, request_no=number)
        case "deactivate":
            return channel.deactivate(twin, reason=REASON, request_no=number)
        case "look":
            return channel.look(twin)
    raise ProgrammingError(f"no such step: {step.kind}")


def _adopt(ask: Ask) -> Answer:
    """Redeem ours for a use in the channel, once for each of its uses: the till's own way, with all of its rules."""
    if ask.till is None or ask.pay is None:
        return Answer(refused="unpriced")
    body = f"{ask.coupon_id}:{ask.step.ref}"
    key = coupons.Key(
        f"channel:{ask.brand_id}",
        f"adopt-{hashlib.sha256(body.encode()).hexdigest()[:40]}",
        hashlib.sha256(body.encode()).digest(),
    )
    lines = [Line(1, SKU, "", 1, ask.pay)]
    try:
        made = coupons.redeem(till=ask.till, key=key, code=ask.twin.code, order_no=ask.order_no, lines=lines)
    except CouponLocked:
        raise Busy("An order that is not paid yet holds the coupon.", retry_after=HELD_SECONDS) from None
    except Retryable:
        raise
    except SiyuError as refusal:
        return Answer(refused=refusal.code)
    return Answer(redemption_id=made.redemption_id)


def _record(ask: Ask, answer: Answer | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        raise answer
    key: dict[str, Any] = {"brand_id": ask.brand_id, "member_id": ask.member_id, "coupon_id": ask.coupon_id}
    kind = ask.step.kind
    if answer.fact is not None:
        commands.note_fact(**key, fact=answer.fact, asked=True)
    if answer.redemption_id is not None:
        commands.note_adopted(**key, redemption_id=answer.redemption_id, ref=ask.step.ref)
    if answer.refused is not None:
        commands.note_error(**key, reason=answer.refused)
    elif kind in ("confirm", "use", "return", "deactivate"):
        commands.healed(**key, kind=f"refused_{kind}")
    found = queries.whole(ask.brand_id, ask.member_id, ask.coupon_id, lock=True)
    if found is None:
        return
    following = rules.next_step(found.coupon.status, queries.side(found.twin), found.uses)
    if following is None:
        return
    if following.kind != kind:
        commands.due(**key)  # further on the way, or about to find the other side of a conflict
    elif answer.refused is not None and kind == "send":
        # A stock that is full or paused there may give out again: the night asks for what is still open with us.
        if found.coupon.status not in OPEN_STATUSES:
            commands.note_error(**key, reason=answer.refused, state="refused")
    elif answer.refused is not None and kind == "adopt":
        _not_redeemable(found.twin, found.coupon.status, ask.step.ref, answer.refused)
    elif answer.refused is not None and kind != "look":
        _lay_before(found.twin, found.coupon.status, f"refused_{kind}", _about(ask), None, why=answer.refused)


EFFECT = Effect(read=_read, call=_call, record=_record)


def ref_of(twin: CouponTwin, code: str) -> TwinRef:
    """The twin as a channel is asked about it."""
    assert twin.openid is not None
    stock = StockRef(twin.product_id, twin.stock_id)
    return TwinRef(stock, twin.appid, twin.openid, code, twin.external_code, twin.own_codes)


def _till(twin: CouponTwin) -> tuple[coupons.Till | None, int | None]:
    """Where a use in the channel is booked, and what its order must have cost."""
    binding = queries.binding(twin.brand_id, twin.campaign_id)
    store = org.store(twin.brand_id, binding.store_id)
    card = coupon_queries.card(twin.brand_id, twin.member_id, twin.coupon_id)
    if store is None:
        return None, None
    # It was used, whatever channels the terms name: headquarters bound the campaign to this one.
    named = min(card.terms.channels or {"mall"})
    till = coupons.Till(twin.brand_id, store.id, store.dealer_id, store.region_id, named, rules.SOURCE, None)
    return till, rules.nominal(card.terms)


def _not_redeemable(twin: CouponTwin, status: str, ref: str, why: str) -> None:
    """Used there, and no redemption can be made of that: ours must not be used a second time, and a person decides."""
    if commands.withdraw_for_use(row=twin, ref=ref):
        _lay_before(twin, status, "used_not_redeemable", ref, None, why=why)
    else:
        commands.due(brand_id=twin.brand_id, member_id=twin.member_id, coupon_id=twin.coupon_id)


def _lay_before(
    twin: CouponTwin, status: str, kind: str, ref: str, redemption: rules.Used | None, *, why: str = ""
) -> None:
    ours: dict[str, Any] = {"status": status}
    if redemption is not None:
        ours |= {"redemption_id": redemption.redemption_id, "order_no": redemption.order_no}
    theirs: dict[str, Any] = {"state": twin.state, "use_ref": twin.use_ref, "order_no": twin.order_no}
    if why:
        theirs["refused"] = why
    if commands.record_conflict(row=twin, kind=kind, ref=ref, ours=ours, theirs=theirs):
        _log.warning("both sides of a coupon contradict each other", kind=kind, coupon=twin.coupon_id)


def _about(ask: Ask) -> str:
    return rules.request_no(ask.step.kind, ask.coupon_id, ask.step.redemption)
