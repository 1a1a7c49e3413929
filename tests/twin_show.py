"""Both sides of coupons, ours and WeChat Pay's, and hands to move either."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from coupon_factories import campaign
from coupon_factories import redeem as redeem_at_till
from factories import World
from mini_phone import Phone
from sqlalchemy import select, update
from tencent import Tencent

from app.core import clock
from app.core.db import session
from app.core.slots import Slot
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon
from app.coupons.twins import bindings, queries
from app.coupons.twins.models import CampaignChannel, CouponTwin, TwinConflict
from app.coupons.twins.rules import PRODUCT
from app.flows.coupon_twins import adapters, nightly
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.wechat.simulator.engine.rows import PayCoupon, PayStock

IMAGE = "https://wxpaylogo.qpic.cn/wxpaylogo/x/y"
_names = itertools.count(1)


class Show:
    def __init__(self, world: World, tencent: Tencent, run_work: Callable[[], int]) -> None:
        self.world, self.tencent, self.run_work = world, tencent, run_work
        self.pay, self.there = tencent.engine.pay, tencent.engine.world
        session.expunge_all()  # a refused request must not spoil the world's rows for the test

    @property
    def brand_id(self) -> int:
        return self.world.brand_id

    def person(self, name: str = "") -> tuple[int, str]:
        """A member with a wallet in WeChat: member id and openid."""
        openid = self.openid(name or f"shopper{next(_names)}")
        with transaction():
            person_id = identity.link(ids=[Identity("openid", self.tencent.appid, openid)], source="test").person_id
            member_id = members.join(brand_id=self.brand_id, person_id=person_id, source="miniapp")
        self.run_work()
        session.remove()
        return member_id, openid

    def openid(self, name: str) -> str:
        return self.tencent.customer(name).openids[self.tencent.appid]

    def bound(self, *, own_codes: bool = True, channel: str = PRODUCT, quota: int = 100, **terms: Any) -> int:
        """A campaign that WeChat Pay shows."""
        campaign_id = campaign(self.world, quota=quota, **terms)
        with transaction():
            bindings.bind(
                brand_id=self.brand_id,
                campaign_id=campaign_id,
                channel=channel,
                can=adapters.channel(channel).capabilities,
                own_codes=own_codes,
                store_id=self.world.store.id,
                image_url=IMAGE,
                stock=None,
                by="test",
            )
        self.run_work()
        return campaign_id

    def stock(self, campaign_id: int) -> PayStock:
        with transaction():
            stock_id = queries.binding(self.brand_id, campaign_id).stock_id
        assert stock_id is not None
        return self.there.pay_stocks.rows[stock_id]

    def give(self, campaign_id: int, member_id: int, *, ref: str = "") -> Coupon:
        with transaction():
            coupon_id = coupons.issue(
                brand_id=self.brand_id,
                member_id=member_id,
                campaign_id=campaign_id,
                source="push",
                source_ref=ref or f"gift:{next(_names)}",
            )
        return self.ours(coupon_id)

    def given(self, **terms: Any) -> Coupon:
        """A coupon that both sides know and hold for good."""
        member_id, _ = self.person()
        mine = self.give(self.bound(**terms), member_id)
        self.settle()
        assert self.theirs(mine).state == "EFFECTIVE" and self.twin(mine).state == "effective"
        return self.ours(mine.coupon_id)

    def settle(self, *, times: int = 1) -> None:
        """Workers and callbacks until nothing moves any more; each notice is delivered `times` over."""
        for _ in range(10):
            moved = self.run_work()
            codes = self.tencent.deliver(times=times)
            assert set(codes) <= {204}, codes
            if not moved and not codes:
                break
        session.remove()

    def redeem(self, coupon: Coupon, order_no: str = "") -> coupons.Redemption:
        return redeem_at_till(self.world, coupon.code, order_no=order_no)

    def give_back(self, redemption_id: int) -> None:
        with transaction():
            coupons.give_back(brand_id=self.brand_id, redemption_id=redemption_id)

    def theirs(self, coupon: Coupon) -> PayCoupon:
        code = self.twin(coupon).external_code
        assert code is not None
        return self.there.pay_coupons.rows[code]

    def elsewhere(self, order_no: str | None = None, at: str | None = None) -> dict[str, Any]:
        """What another system of the brand sends to WeChat Pay."""
        order = {"out_trade_no": order_no} if order_no else None
        when = at or self.pay.time(self.there.now())
        return {"out_request_no": f"other-{next(_names):06d}", "use_time": when, "associated_order_info": order}

    def ours(self, coupon_id: int) -> Coupon:
        session.remove()
        row = session.scalars(select(Coupon).where(Coupon.coupon_id == coupon_id)).one()
        session.remove()
        return row

    def twin(self, coupon: Coupon) -> CouponTwin:
        session.remove()
        row = session.scalars(select(CouponTwin).where(CouponTwin.coupon_id == coupon.coupon_id)).one()
        session.remove()
        return row

    def conflicts(self) -> list[TwinConflict]:
        session.remove()
        rows = list(session.scalars(select(TwinConflict).order_by(TwinConflict.conflict_id)))
        session.remove()
        return rows


def tonight(show: Show) -> None:
    later(show)
    slot("coupons.twins_compare", nightly.begin)
    show.settle()


def later(show: Show) -> None:
    """As if everything had been looked at an hour ago."""
    with transaction():
        session.execute(update(CouponTwin).values(looked_at=CouponTwin.looked_at - timedelta(hours=1)))
        session.execute(
            update(CampaignChannel).values(checked_at=CampaignChannel.checked_at - timedelta(hours=1))
        )


def slot(task: str, handler: Any) -> None:
    with transaction():
        handler(Slot(task=task, at=clock.now(), queue="default", correlation_id="cor_slot"))


def phone_of(show: Show, name: str) -> Any:
    show.tencent.customer(name, phone="13712345678")
    return Phone(show.tencent, name)
