"""What happens to our coupons reaches their twins: each event only says that both sides must be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core import clock, context
from app.core.db import session
from app.core.errors import SiyuError
from app.core.slots import Slot
from app.core.work import Effect
from app.coupons import commands as coupons
from app.coupons import queries as coupon_queries
from app.coupons.events import Issued, Redeemed, Returned, Voided
from app.coupons.twins import bindings, commands, queries
from app.coupons.twins.errors import BindingUnknown
from app.coupons.twins.models import CampaignChannel
from app.coupons.twins.port import StockRef
from app.coupons.twins.rules import Fact
from app.identity import queries as identity
from app.identity.rules import Identity
from app.members import queries as members
from app.members.events import Joined
from app.org import queries as org

from . import adapters

CHUNK = 200
APP = "miniprogram"


def on_issued(event: Issued) -> None:
    """A coupon of a campaign that is shown in a channel gets its twin there, once its member has a wallet."""
    assert event.member_id is not None
    begin(event.brand_id, event.member_id, event.coupon_id)


def on_changed(event: Redeemed | Returned | Voided) -> None:
    """A coupon was used, given back or withdrawn on our side."""
    assert event.member_id is not None
    if queries.twin(event.brand_id, event.member_id, event.coupon_id) is not None:
        commands.due(brand_id=event.brand_id, member_id=event.member_id, coupon_id=event.coupon_id)


def tend(slot: Slot) -> None:
    """Slot coupons.twins_tend: coupons that should have a twin and have none (given out in bulk, a member's first
    login, a delivery that was lost) get one; a full chunk is followed by another slot. Those that cannot have one now
    are passed over.
    """
    begun, after = 0, 0
    while begun < CHUNK and (found := queries.without_twin(CHUNK, after=after)):
        begun += sum(begin(*key) for key in found)
        after = found[-1][2]
    if begun >= CHUNK:
        session.add(Slot(task=slot.task, at=clock.now(), queue=slot.queue, correlation_id=context.correlation_id()))


def begin(brand_id: int, member_id: int, coupon_id: int) -> bool:
    """Give a coupon its twin, to be asked for soon; False when it cannot have one now, or has one."""
    coupon = coupon_queries.owned(brand_id, member_id, coupon_id)
    try:
        binding = queries.binding(brand_id, coupon.campaign_id)
    except BindingUnknown:
        return False
    if binding.state != "sending" or coupon.claimed_at < binding.bound_at or coupon.version != binding.version:
        return False
    wallet = wallet_of(brand_id, coupon.member_id)
    if wallet is None:
        return False
    begun = commands.begin_twin(coupon=coupon, binding=binding, appid=wallet[0], openid=wallet[1])
    if begun:
        commands.due(brand_id=brand_id, member_id=coupon.member_id, coupon_id=coupon_id)
    return begun


def wallet_of(brand_id: int, member_id: int) -> tuple[str, str] | None:
    """The mini-program and the openid by which a member is known to WeChat, the newest; None without one."""
    account, member = org.account(brand_id, APP), members.living(brand_id, member_id)
    if account is None or member is None or member.status == "erased":
        return None
    mine = [
        one.value
        for one in identity.identities_of(member.person_id)
        if one.kind == "openid" and one.namespace == account.namespace
    ]
    return (account.namespace, mine[-1]) if mine else None


def app_of(brand_id: int) -> str | None:
    """The mini-program whose openids a brand knows."""
    account = org.account(brand_id, APP)
    return account.namespace if account else None


def take_in(binding: CampaignChannel, *, appid: str, openid: str, fact: Fact) -> bool:
    """A user took a coupon in the channel: they get ours, and the channel is told so. False without a member.

    Once for each of the channel's codes, within the campaign's stock and limit; what these refuse is noted on the
    binding, and the coupon there stays unconfirmed, which nobody can use. So does one of a campaign whose terms were
    revised since: the channel promises the old ones.
    """
    if coupon_queries.campaign(binding.brand_id, binding.campaign_id).version != binding.version:
        return False
    person_id = identity.person_of(Identity("openid", appid, openid))
    member = members.member_of(binding.brand_id, person_id) if person_id is not None else None
    if member is None or member.status != "active" or fact.external_code is None:
        return False
    try:
        coupon_id = coupons.issue(
            brand_id=binding.brand_id,
            member_id=member.member_id,
            campaign_id=binding.campaign_id,
            source="self",
            source_ref=f"{binding.channel}:{fact.external_code}",
        )
    except SiyuError as refusal:
        if refusal.status >= 500:
            raise
        bindings.note_stock_refused(
            brand_id=binding.brand_id,
            campaign_id=binding.campaign_id,
            round_=binding.round,
            reason=refusal.code,
            final=False,
        )
        return False
    coupon = coupon_queries.owned(binding.brand_id, member.member_id, coupon_id)
    commands.begin_twin(
        coupon=coupon, binding=binding, appid=appid, openid=openid, external_code=fact.external_code
    )
    key: dict[str, Any] = {"brand_id": coupon.brand_id, "member_id": coupon.member_id, "coupon_id": coupon_id}
    commands.note_fact(**key, fact=fact)
    commands.due(**key)
    return True


def found(binding: CampaignChannel, *, appid: str, openid: str, fact: Fact) -> None:
    """A coupon waits in a wallet for our confirmation: one that we asked for without hearing of it, or one that its
    user took. Nothing is done for a binding that ended, or was made anew, since the channel was asked.
    """
    now, stock = queries.binding(binding.brand_id, binding.campaign_id), stock_of(binding)
    if now.state != "sending" or now.own_codes or stock_of(now) != stock:
        return
    twin = queries.twin_there(now.channel, stock.stock_id, code=fact.external_code, send_no=fact.send_no)
    if twin is None:
        take_in(now, appid=appid, openid=openid, fact=fact)
        return
    key: dict[str, Any] = {"brand_id": twin.brand_id, "member_id": twin.member_id, "coupon_id": twin.coupon_id}
    if commands.note_fact(**key, fact=fact):
        commands.due(**key)


def stock_of(binding: CampaignChannel) -> StockRef:
    assert binding.product_id is not None and binding.stock_id is not None
    return StockRef(binding.product_id, binding.stock_id)


@dataclass(frozen=True)
class Waiting:
    """A new member's wallet, and the stocks in which something may wait for them."""

    appid: str
    openid: str
    bindings: Sequence[CampaignChannel]


def _read(event: Joined) -> Waiting | None:
    assert event.member_id is not None
    giving = queries.handing_out(event.brand_id)
    wallet = wallet_of(event.brand_id, event.member_id) if giving else None
    return Waiting(*wallet, giving) if wallet else None


def _call(waiting: Waiting) -> list[tuple[CampaignChannel, Fact]]:
    return [
        (binding, fact)
        for binding in waiting.bindings
        for fact in adapters.channel(binding.channel).unconfirmed(
            stock_of(binding), appid=waiting.appid, openid=waiting.openid
        )
    ]


def _record(waiting: Waiting, answer: list[tuple[CampaignChannel, Fact]] | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        raise answer
    for binding, fact in answer:
        found(binding, appid=waiting.appid, openid=waiting.openid, fact=fact)


# Who took coupons in WeChat before they were a member finds them with us as soon as they are one.
ON_JOINED = Effect(read=_read, call=_call, record=_record)
