"""Writes of bindings: which campaign is shown in which channel. They join the open transaction, and tell nobody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, outbox
from app.core.db import session
from app.core.locks import lock_name

from ..models import Campaign
from ..queries import campaign as campaign_of
from ..queries import version_terms
from . import queries, rules
from .errors import (
    BindingEnding,
    BindingExists,
    ChannelClosed,
    ChannelUnfit,
    ChannelUnknown,
    StockTaken,
)
from .events import BindingDue
from .models import CampaignChannel
from .port import Capabilities, StockRef, StockState

_QUIET = {"synchronize_session": False}
_ENDED = ("unbound", "refused", "deactivated")
# A stock that was made for a binding is still to be ended after it.
_OVER = and_(CampaignChannel.state.in_(_ENDED), or_(CampaignChannel.state != "unbound", ~CampaignChannel.made))


def check_channel(channel: str) -> None:
    """ChannelClosed for one that takes nobody new, ChannelUnknown for one there is not."""
    if channel in rules.CLOSED:
        raise ChannelClosed(channel=channel)
    if channel not in rules.CHANNELS:
        raise ChannelUnknown(channel=channel)


def bind(
    *,
    brand_id: int,
    campaign_id: int,
    channel: str,
    can: Capabilities,
    own_codes: bool,
    store_id: int,
    image_url: str,
    stock: StockRef | None,
    by: str,
) -> CampaignChannel:
    """Show a campaign's coupons of its present terms in a channel from now on; the stock is made there, or is `stock`,
    that stands already.

    CampaignUnknown, ChannelUnknown, ChannelClosed, ChannelUnfit (data: terms), BindingExists, BindingEnding,
    StockTaken.
    """
    check_channel(channel)
    campaign: Campaign = campaign_of(brand_id, campaign_id)
    terms = version_terms(brand_id, campaign_id, campaign.version)
    # Where nothing is shown outside, nothing is promised wrongly.
    missing = rules.unfit(terms, can.kinds) if can.stocks else []
    if own_codes and not can.own_codes or not own_codes and not can.hands_out:
        missing.append("own_codes")
    if can.stocks and stock is None and not image_url:
        missing.append("image_url")
    if missing:
        raise ChannelUnfit(terms=missing)
    if stock is not None:
        _free(channel, stock, brand_id, campaign_id)
    now = clock.now()
    values: dict[str, Any] = {
        "version": campaign.version,
        "channel": channel,
        "product_id": stock.product_id if stock else None,
        "stock_id": stock.stock_id if stock else None,
        "state": "creating",
        "own_codes": own_codes,
        "made": stock is None,
        "image_url": image_url,
        "store_id": store_id,
        "most": None,
        "last_error": None,
        "bound_at": now,
        "checked_at": None,
        "bound_by": by,
        "correlation_id": context.correlation_id(),
    }
    statement = insert(CampaignChannel).values(brand_id=brand_id, campaign_id=campaign_id, round=1, **values)
    bound = session.execute(
        statement.on_conflict_do_update(
            index_elements=["brand_id", "campaign_id"],
            set_=values | {"round": CampaignChannel.round + 1},
            where=_OVER,
        ).returning(CampaignChannel.campaign_id)
    ).one_or_none()
    if bound is None:
        ending = queries.binding(brand_id, campaign_id).state == "unbound"
        raise BindingEnding() if ending else BindingExists()
    outbox.emit(BindingDue(brand_id=brand_id, campaign_id=campaign_id))
    return queries.binding(brand_id, campaign_id)


def _free(channel: str, stock: StockRef, brand_id: int, campaign_id: int) -> None:
    """Have a stock free for a campaign: a binding that is over keeps none from others. StockTaken by a living one."""
    lock_name(f"stock:{channel}:{stock.stock_id}")
    other = queries.binding_of_stock(channel, stock.stock_id)
    if other is None or (other.brand_id, other.campaign_id) == (brand_id, campaign_id):
        return
    freed = session.execute(
        update(CampaignChannel)
        .where(
            CampaignChannel.brand_id == other.brand_id, CampaignChannel.campaign_id == other.campaign_id, _OVER
        )
        .values(product_id=None, stock_id=None)
        .returning(CampaignChannel.campaign_id),
        execution_options=_QUIET,
    ).one_or_none()
    if freed is None:
        raise StockTaken()


def unbind(*, brand_id: int, campaign_id: int) -> CampaignChannel:
    """Show no further coupons of a campaign there. Those that are there are kept in step; a stock that was made for the
    binding is ended. Ending it again changes nothing; BindingUnknown when the campaign never had one.
    """
    ended = session.execute(
        update(CampaignChannel)
        .where(
            CampaignChannel.brand_id == brand_id,
            CampaignChannel.campaign_id == campaign_id,
            CampaignChannel.state.not_in(_ENDED),
        )
        .values(state="unbound")
        .returning(CampaignChannel.campaign_id),
        execution_options=_QUIET,
    ).one_or_none()
    if ended is not None:
        outbox.emit(BindingDue(brand_id=brand_id, campaign_id=campaign_id))
    return queries.binding(brand_id, campaign_id)


def note_stock(*, brand_id: int, campaign_id: int, round_: int, state: StockState) -> None:
    """Write down what the channel says of a binding's stock, unless the binding ended or was made anew meanwhile."""
    values: dict[str, Any] = {
        "product_id": state.ref.product_id,
        "stock_id": state.ref.stock_id,
        "state": state.state,
        "last_error": None,
        "checked_at": clock.now(),
    }
    if state.most is not None:
        values["most"] = state.most
    _of_round(brand_id, campaign_id, round_, values, keep_unbound=True)


def note_stock_refused(*, brand_id: int, campaign_id: int, round_: int, reason: str, final: bool) -> None:
    """Write down why the channel would not; `final`: it never made the stock, and there is none to end."""
    values: dict[str, Any] = {"last_error": reason, "checked_at": clock.now()}
    if final:
        values |= {"state": "refused", "made": False}
    _of_round(brand_id, campaign_id, round_, values, keep_unbound=True)


def note_stock_ended(*, brand_id: int, campaign_id: int, round_: int, error: str | None) -> None:
    """An unbound campaign's stock was ended in its channel, or the channel would not."""
    _of_round(brand_id, campaign_id, round_, {"made": False, "last_error": error, "checked_at": clock.now()})


def _of_round(
    brand_id: int, campaign_id: int, round_: int, values: dict[str, Any], *, keep_unbound: bool = False
) -> None:
    here = (
        CampaignChannel.brand_id == brand_id,
        CampaignChannel.campaign_id == campaign_id,
        CampaignChannel.round == round_,
    )
    state = values.pop("state", None)
    session.execute(update(CampaignChannel).where(*here).values(**values), execution_options=_QUIET)
    if state is not None:
        # An end that came while the channel was asked stands; what was made there meanwhile is known by its id.
        kept = CampaignChannel.state != "unbound" if keep_unbound else CampaignChannel.state.is_not(None)
        session.execute(update(CampaignChannel).where(*here, kept).values(state=state), execution_options=_QUIET)
