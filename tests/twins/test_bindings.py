"""What of our coupons WeChat Pay shows: bindings and their stocks, which coupons get a twin, what is withdrawn."""

from __future__ import annotations

import pytest
from coupon_factories import campaign, terms
from factories import make_world
from invariants import broken
from sqlalchemy import select, update
from twin_show import IMAGE, Show, later, slot

from app.core import clock, outbox
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Campaign, CampaignStock, Coupon, Redemption
from app.coupons.twins import bindings, commands, queries, rules
from app.coupons.twins.errors import BindingEnding, BindingExists, ChannelClosed, ChannelUnfit
from app.coupons.twins.models import CampaignChannel, CouponTwin
from app.flows.coupon_twins import adapters, reactions, stocks
from app.members.models import Member


def test_a_coupon_without_its_event_still_gets_its_twin(show: Show) -> None:
    """Coupons of a push are told in bulk; the tending slot finds those that have no twin yet."""
    member_id, _ = show.person()
    mine = show.give(show.bound(), member_id)
    with transaction():
        session.execute(update(outbox.Outbox).values(fanned_out_at=clock.now()))
    show.settle()
    assert queries.without_twin(10) == [(show.brand_id, member_id, mine.coupon_id)]
    session.remove()
    slot("coupons.twins_tend", reactions.tend)
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE"


def test_who_has_no_wallet_there_has_no_twin(show: Show) -> None:
    mine = show.give(show.bound(), 4711)
    show.settle()
    assert session.scalars(select(CouponTwin)).all() == []
    session.remove()
    assert show.ours(mine.coupon_id).status == "claimed"


def test_a_stock_waits_for_approval_follows_ours_and_ends_with_the_binding(show: Show) -> None:
    show.pay.only().audits = True
    campaign_id = show.bound()
    member_id, _ = show.person()
    mine = show.give(campaign_id, member_id)
    show.settle()
    assert session.scalars(select(CouponTwin)).all() == []
    session.remove()
    show.pay.set_stock(show.stock(campaign_id), "SENDING")
    later(show)
    slot("coupons.stocks", stocks.look_again)
    show.settle()
    slot("coupons.twins_tend", reactions.tend)
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE"
    with transaction():
        session.execute(
            update(CampaignStock).values(quota=CampaignStock.quota + 1)
        )
    later(show)
    slot("coupons.stocks", stocks.look_again)
    show.settle()
    assert show.stock(campaign_id).most == 104
    with transaction():
        bindings.unbind(brand_id=show.brand_id, campaign_id=campaign_id)
    show.settle()
    assert show.stock(campaign_id).state == "DEACTIVATED"
    other = show.give(campaign_id, show.person()[0])
    show.redeem(mine)
    show.settle()
    assert show.theirs(mine).state == "USED"  # what is there is kept in step
    with pytest.raises(Exception, match="No row"):
        show.twin(other)


def test_a_stock_ends_with_its_binding_also_when_nobody_was_told(show: Show) -> None:
    campaign_id = show.bound()
    with transaction():
        bindings.unbind(brand_id=show.brand_id, campaign_id=campaign_id)
        session.execute(update(outbox.Outbox).values(fanned_out_at=clock.now()))
    show.settle()
    assert show.stock(campaign_id).state == "SENDING"
    later(show)
    slot("coupons.stocks", stocks.look_again)
    show.settle()
    assert show.stock(campaign_id).state == "DEACTIVATED" and queries.unsettled(10) == []


@pytest.mark.parametrize("heard", [True, False], ids=["made", "being made"])
def test_a_campaign_is_bound_anew_once_its_last_stock_has_ended(show: Show, heard: bool) -> None:
    campaign_id = show.bound()
    last = show.stock(campaign_id)
    with transaction():
        if not heard:  # it was asked for, and unbound before the answer
            session.execute(update(CampaignChannel).values(product_id=None, stock_id=None, state="creating"))
        bindings.unbind(brand_id=show.brand_id, campaign_id=campaign_id)

    def again() -> None:
        with transaction():
            bindings.bind(
                brand_id=show.brand_id, campaign_id=campaign_id, channel=rules.PRODUCT,
                can=adapters.channel(rules.PRODUCT).capabilities, own_codes=True, store_id=show.world.store.id,
                image_url=IMAGE, stock=None, by="test",
            )  # fmt: skip

    with pytest.raises(BindingEnding):
        again()
    show.settle()
    assert last.state == "DEACTIVATED"
    again()
    show.settle()
    assert show.stock(campaign_id).state == "SENDING"
    assert [one.state for one in show.there.pay_stocks] == ["DEACTIVATED", "SENDING"]


def test_bindings_are_checked(show: Show) -> None:
    campaign_id = show.bound()

    def bind(campaign: int, channel: str = rules.PRODUCT, image: str = "https://x.example/y") -> None:
        can = adapters.channel(rules.LOCAL if channel == rules.LOCAL else rules.PRODUCT).capabilities
        with transaction():
            bindings.bind(
                brand_id=show.brand_id, campaign_id=campaign, channel=channel,
                can=can, own_codes=True, store_id=show.world.store.id,
                image_url=image, stock=None, by="test",
            )  # fmt: skip

    with pytest.raises(BindingExists):
        bind(campaign_id)
    with pytest.raises(ChannelClosed):
        bind(campaign_id, rules.MERCHANT)
    with pytest.raises(ChannelUnfit) as refused:
        bind(campaign(show.world, kind="gift", gift_skus=frozenset({"A"})), image="")
    assert refused.value.data["terms"] == ["kind", "image_url"]
    narrow = campaign(show.world, weekdays=frozenset({6, 7}), skus=frozenset({"A"}), transferable=True)
    with pytest.raises(ChannelUnfit) as refused:
        bind(narrow)
    assert refused.value.data["terms"] == ["skus", "weekdays", "transferable"]
    bind(narrow, rules.LOCAL, image="")  # nobody outside is promised anything


def test_campaigns_of_two_brands_with_one_code_are_each_bound_to_nothing_outside(show: Show) -> None:
    other = make_world()
    mine, theirs = campaign(show.world), campaign(other)
    with transaction():
        session.execute(update(Campaign).where(Campaign.campaign_id.in_((mine, theirs))).values(code="SPRING"))
        for world, campaign_id in ((show.world, mine), (other, theirs)):
            bindings.bind(
                brand_id=world.brand_id, campaign_id=campaign_id, channel=rules.LOCAL,
                can=adapters.channel(rules.LOCAL).capabilities, own_codes=True, store_id=world.store.id,
                image_url="", stock=None, by="test",
            )  # fmt: skip
    show.settle()
    with transaction():
        bound = [queries.binding(show.brand_id, mine), queries.binding(other.brand_id, theirs)]
        assert [one.state for one in bound] == ["sending", "sending"]


def test_an_operator_closes_a_conflict_and_has_it_told_again(show: Show) -> None:
    mine = show.given()
    show.redeem(mine)
    show.theirs(mine).state = "PENDING"
    show.settle()
    (found,) = show.conflicts()
    show.theirs(mine).state = "EFFECTIVE"
    with transaction():
        commands.close_conflict(
            brand_id=show.brand_id, conflict_id=found.conflict_id, by="adm_1", note="已核对", retell=True
        )
    show.settle()
    assert show.theirs(mine).state == "USED"
    assert (show.conflicts()[0].closed_by, show.conflicts()[0].note) == ("adm_1", "已核对")


def test_what_we_withdraw_is_withdrawn_there_at_once(show: Show) -> None:
    """Not only in the night's comparison: until then it would be good at any till that asks WeChat Pay."""
    mine = show.given()
    with transaction():
        coupons.set_status(brand_id=show.brand_id, campaign_id=mine.campaign_id, status="voided")
        assert coupons.withdraw() == 1
    show.settle()
    assert show.ours(mine.coupon_id).status == "voided" and show.theirs(mine).state == "DEACTIVATED"
    assert show.conflicts() == [] and broken() == []


def test_a_coupon_that_was_given_to_a_friend_leaves_the_givers_wallet_there(show: Show) -> None:
    campaign_id = show.bound(channel=rules.LOCAL, transferable=True)  # WeChat Pay shows no coupon like this
    (member_id, _), (friend_id, _) = show.person(), show.person()
    mine = show.give(campaign_id, member_id)
    show.settle()
    with transaction():
        transfer_id = coupons.offer_transfer(
            brand_id=show.brand_id, member_id=mine.member_id, coupon_id=mine.coupon_id
        )
    with transaction():
        coupons.take_transfer(brand_id=show.brand_id, member_id=friend_id, token=coupons.token_of(transfer_id))
    show.settle()
    assert show.twin(mine).state == "deactivated"
    assert show.conflicts() == [] and broken() == []


def test_coupons_of_revised_terms_are_not_shown_where_the_old_ones_are_promised(show: Show) -> None:
    """A use there would be booked by the new terms. Bound anew, the campaign is shown with these."""
    campaign_id = show.bound(amount_fen=500)
    old = show.give(campaign_id, show.person()[0])
    with transaction():
        coupons.revise(brand_id=show.brand_id, campaign_id=campaign_id, terms=terms(amount_fen=2000))
    new = show.give(campaign_id, show.person()[0])
    show.settle()
    slot("coupons.twins_tend", reactions.tend)
    show.settle()
    (twin,) = session.scalars(select(CouponTwin)).all()
    assert twin.coupon_id == old.coupon_id
    session.remove()
    show.pay.use(show.theirs(old), show.elsewhere("WX-1"))
    show.settle()
    assert session.scalars(select(Redemption.discount_fen)).all() == [500]
    session.remove()
    assert show.ours(new.coupon_id).status == "claimed" and show.conflicts() == [] and broken() == []


def test_nobody_takes_a_coupon_in_wechat_whose_terms_were_revised(show: Show) -> None:
    member_id, openid = show.person()
    campaign_id = show.bound(own_codes=False)
    with transaction():
        coupons.revise(brand_id=show.brand_id, campaign_id=campaign_id, terms=terms(amount_fen=2000))
    show.pay.give(
        show.pay.only(), show.stock(campaign_id), appid=show.tencent.appid, openid=openid, code=None, request_no=None
    )
    show.settle()
    assert [one.state for one in show.there.pay_coupons] == ["CONFIRMING"]
    assert session.scalars(select(Coupon).where(Coupon.member_id == member_id)).all() == []
    session.remove()


def test_coupons_that_can_have_no_twin_hold_up_no_others(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk's worth of them, older than one that can."""
    campaign_id = show.bound(per_member=9)
    nobody, _ = show.person()
    somebody, _ = show.person()
    stuck = [show.give(campaign_id, nobody) for _ in range(3)]
    mine = show.give(campaign_id, somebody)
    with transaction():
        session.execute(update(outbox.Outbox).values(fanned_out_at=clock.now()))
        session.execute(update(Member).where(Member.member_id == nobody).values(status="erased"))
    monkeypatch.setattr(reactions, "CHUNK", len(stuck))
    slot("coupons.twins_tend", reactions.tend)
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE"
    assert len(session.scalars(select(CouponTwin)).all()) == 1
