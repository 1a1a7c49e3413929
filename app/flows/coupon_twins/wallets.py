"""Once a night members' wallets are asked for coupons that they took in a channel and that nobody told us of.

A channel answers for one user and one stock. So only brands with a stock that hands out coupons itself are gone
through, by their members' ids, a chunk at a time; a brand whose last run is still on its way gets no second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core import log, outbox
from app.core.errors import Retryable, SiyuError
from app.core.outbox import emit
from app.core.work import Effect
from app.coupons.twins import queries
from app.coupons.twins.errors import ChannelNotConfigured, ChannelRefused
from app.coupons.twins.events import WalletsAsked
from app.coupons.twins.models import CampaignChannel
from app.coupons.twins.queries import Wallets
from app.coupons.twins.rules import Fact
from app.wechat.errors import AnswerIncomplete

from . import adapters, reactions

CALLS = 50  # of a chunk, as long as its members have one wallet each
SUBSCRIBER = "twins.wallets"
_log = log.get("coupon_twins")


@dataclass(frozen=True)
class Chunk:
    brand_id: int
    appid: str
    bindings: Sequence[CampaignChannel]
    members: Sequence[Wallets]


@dataclass(frozen=True)
class Found:
    """A coupon that waits in a wallet."""

    binding: CampaignChannel
    openid: str = field(repr=False)
    fact: Fact


@dataclass(frozen=True)
class Asked:
    """What waits for the chunk's members, as far as `last`."""

    last: int
    found: Sequence[Found]


def begin() -> None:
    """Begin tonight's run for each brand where something may wait."""
    for brand_id in sorted({one.brand_id for one in _handing_out(None)}):
        if not outbox.on_its_way(SUBSCRIBER, brand_id):
            emit(WalletsAsked(brand_id=brand_id))


def _read(event: WalletsAsked) -> Chunk | None:
    bindings, appid = _handing_out(event.brand_id), reactions.app_of(event.brand_id)
    if not bindings or appid is None:
        return None
    most = max(1, CALLS // len(bindings))
    members = queries.wallets(event.brand_id, appid=appid, after=event.after, limit=most)
    return Chunk(event.brand_id, appid, bindings, members) if members else None


def _call(chunk: Chunk) -> Asked:
    """Ask one after the other; who comes after a channel that is down or busy is left for the next try."""
    last, found = 0, []
    for member in chunk.members:
        try:
            waiting = [one for openid in member.openids for one in _waiting(chunk, openid)]
        except Retryable:
            if not last:
                raise
            break
        last = member.member_id
        found += waiting
    return Asked(last, found)


def _record(chunk: Chunk, asked: Asked | SiyuError) -> None:
    if isinstance(asked, SiyuError):
        raise asked
    for one in asked.found:
        reactions.found(one.binding, appid=chunk.appid, openid=one.openid, fact=one.fact)
    emit(WalletsAsked(brand_id=chunk.brand_id, after=asked.last))


EFFECT = Effect(read=_read, call=_call, record=_record)


def _handing_out(brand_id: int | None) -> list[CampaignChannel]:
    return [one for one in queries.handing_out(brand_id) if adapters.configured(one.channel)]


def _waiting(chunk: Chunk, openid: str) -> list[Found]:
    found = []
    for binding in chunk.bindings:
        stock = reactions.stock_of(binding)
        try:
            facts = adapters.channel(binding.channel).unconfirmed(stock, appid=chunk.appid, openid=openid)
        except (ChannelRefused, ChannelNotConfigured):
            continue  # no wallet there, or nobody to ask
        except AnswerIncomplete as error:
            # Of this wallet, again and again perhaps: it must not keep the others from being asked.
            _log.warning("a wallet could not be read", campaign=binding.campaign_id, error=error.message)
            continue
        found += [Found(binding, openid, fact) for fact in facts]
    return found
