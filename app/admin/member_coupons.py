"""One member's coupons, for customer service: what they have and why it cannot be used now; one given, one withdrawn.

Reasons are of a list: the audit log keeps them for ever, so it takes no words about a customer.
"""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import request

from app.core import audit, idempotency, ids, paging
from app.core.errors import Conflict
from app.core.fields import Page, PublicId
from app.core.transaction import run, transaction
from app.coupons import commands, wording
from app.coupons import queries as coupons
from app.coupons.cards import cards_view
from app.coupons.errors import CampaignUnknown, CouponUnknown
from app.members.models import Member

from . import scope
from .blueprint import api
from .coupon_wording import GIVE_REASON, WITHDRAW_REASON
from .lists import PageIn
from .members import seen
from .naming import decoded


class MemberNotActive(Conflict):
    code, message = "member_not_active", "The member is frozen or was erased, and is given nothing."


class MemberCouponWhyOut(Schema):
    code = fields.String()
    words = fields.String(metadata={"description": "In Chinese, to be shown as it is."})


class MemberCouponOut(Schema):
    id = PublicId("cpn", attribute="coupon_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    kind = fields.String()
    summary = fields.String(metadata={"example": "满¥300减¥50"})
    conditions = fields.List(fields.String(), metadata={"description": "What else holds, in words."})
    status = fields.String(metadata={"description": "claimed, locked, redeemed, returned, expired or voided."})
    usable = fields.Boolean(metadata={"description": "Whether a till would take it at this moment."})
    why = fields.Nested(MemberCouponWhyOut, allow_none=True, metadata={"description": "Why it is not usable now."})
    source = fields.String()
    claimed_at = fields.AwareDateTime()
    valid_from = fields.AwareDateTime()
    valid_to = fields.AwareDateTime()
    expiry = fields.String(metadata={"example": "还剩3天"})


class MemberCouponLineOut(MemberCouponOut):
    """One of a list."""


class MemberCouponsOut(Page):
    items = fields.List(fields.Nested(MemberCouponLineOut))


class GiveCouponIn(Schema):
    campaign = fields.String(required=True, validate=Length(1, 40), metadata={"description": "cmp_..."})
    reason = fields.String(required=True, validate=OneOf(list(GIVE_REASON)))


class WithdrawCouponIn(Schema):
    reason = fields.String(required=True, validate=OneOf(list(WITHDRAW_REASON)))


@api.get("/members/<member_id>/coupons")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(MemberCouponsOut)
@api.doc(summary="A member's coupons", security="AdminToken", responses=[401, 403, 404])
def member_coupons(member_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first, in whatever state they are."""
    return listed(seen(member_id), asked["cursor"], asked["limit"])


@api.post("/members/<member_id>/coupons")
@api.input(GiveCouponIn, arg_name="given")
@api.output(MemberCouponOut, status_code=201)
@api.doc(summary="Give a member a coupon", security="AdminToken", responses=[401, 403, 404, 409, 422, 503])
def give_coupon(member_id: str, given: dict[str, str]) -> dict[str, Any]:
    """Needs an Idempotency-Key. Limits and stock hold as for a claim; a refusal's `data.words` say in Chinese why. 409
    `member_not_active` for a member who is frozen or was erased.
    """
    return handed(seen(member_id), given, idempotency.checked_key(request.headers.get("Idempotency-Key")))


@api.post("/members/<member_id>/coupons/<coupon>/void")
@api.input(WithdrawCouponIn, arg_name="given")
@api.output(MemberCouponOut)
@api.doc(summary="Withdraw a member's coupon", security="AdminToken", responses=[401, 403, 404, 409, 422, 503])
def void_coupon(member_id: str, coupon: str, given: dict[str, str]) -> dict[str, Any]:
    """Also one that an unpaid order holds or that is on its way to a friend; what stands of it in a channel follows.
    409 with `data.words` in Chinese when it was redeemed, has ended or is voided.
    """
    return withdrawn(seen(member_id), coupon, given["reason"])


# ---- what the routes and the panel share


def listed(member: Member, cursor: str, limit: int) -> dict[str, Any]:
    """A page of a member's coupons."""
    found = coupons.wallet(member.brand_id, member.member_id, after=paging.after_id(cursor), limit=limit + 1)
    page, next_cursor = paging.page(found, limit, lambda card: (card.coupon_id,))
    return {"items": cards_view(member.brand_id, page), "next_cursor": next_cursor}


def givable(member: Member) -> list[coupons.Offer]:
    """The campaigns of which the member can be given a coupon now, newest first."""
    if member.status != "active":
        return []
    active = [one.campaign_id for one in coupons.campaigns(member.brand_id) if one.status == "active"]
    offers = coupons.claimable(member.brand_id, member.member_id, also=active)
    return [one for one in offers if one.left > 0 and not one.had_all]


def handed(member: Member, given: dict[str, str], key: str) -> dict[str, Any]:
    """Give a coupon as the caller, once a key; the coupon."""
    me, subject = scope.current(), ids.encode("mbr", member.member_id)

    def work() -> dict[str, Any]:
        campaign_id = decoded("cmp", given["campaign"], CampaignUnknown)
        if member.status != "active":
            raise MemberNotActive()
        coupon_id = commands.issue(
            brand_id=member.brand_id,
            member_id=member.member_id,
            campaign_id=campaign_id,
            source="admin",
            source_ref=f"{me.actor}:{key}",
        )
        audit.record(
            actor=me.actor,
            action="coupons.given",
            subject=subject,
            coupon=ids.encode("cpn", coupon_id),
            campaign=given["campaign"],
            reason=given["reason"],
        )
        return {"coupon_id": coupon_id}

    digest = idempotency.request_hash(f"coupons.given:{subject}", given)
    with wording.added():
        answer = run(lambda: idempotency.once(scope=f"admin:{me.actor}", key=key, digest=digest, work=work))
    return _told(member, answer["coupon_id"])


def withdrawn(member: Member, coupon: str, reason: str) -> dict[str, Any]:
    """Withdraw one of a member's open coupons as the caller, for a reason; the coupon."""
    coupon_id = decoded("cpn", coupon, CouponUnknown)
    with wording.added(), transaction():
        campaign_id = commands.void_one(
            brand_id=member.brand_id, member_id=member.member_id, coupon_id=coupon_id, cause="withdrawn"
        )
        audit.record(
            actor=scope.current().actor,
            action="coupons.withdrawn",
            subject=ids.encode("mbr", member.member_id),
            coupon=ids.encode("cpn", coupon_id),
            campaign=ids.encode("cmp", campaign_id),
            reason=reason,
        )
    return _told(member, coupon_id)


def _told(member: Member, coupon_id: int) -> dict[str, Any]:
    """The coupon as it stands now, also where a merge of this moment has brought it."""
    owner = coupons.owned(member.brand_id, member.member_id, coupon_id).member_id
    return cards_view(member.brand_id, [coupons.card(member.brand_id, owner, coupon_id)])[0]
