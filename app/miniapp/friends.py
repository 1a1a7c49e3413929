"""Coupons from and for others: exchanging a printed code, giving a coupon to a friend, inviting somebody."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, Range
from flask import request

from app.core import idempotency, ids, paging, rates
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import reading, run
from app.coupons import commands, referrals, wording
from app.coupons import queries as coupons
from app.coupons.errors import CouponUnknown, TransferUnknown
from app.coupons.models import Coupon
from app.flows import coupon_limits
from app.members.family import family

from . import auth

bp = APIBlueprint("miniapp_friends", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

PAGE = 20
LINKS_A_MINUTE = 30


class RedeemCodeIn(Schema):
    code = fields.String(
        required=True,
        validate=Length(1, 64),
        metadata={"description": "As printed; case, blanks and hyphens do not matter."},
    )


class GotOut(Schema):
    id = PublicId("cpn", attribute="coupon_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    valid_from = fields.String()
    valid_to = fields.String()


class TransferOut(Schema):
    """`status`: open, taken, taken_back or expired. `token` is for the link, while the transfer is open."""

    id = PublicId("cgt", attribute="transfer_id")
    coupon = PublicId("cpn", attribute="coupon_id")
    name = fields.String()
    summary = fields.String()
    status = fields.String()
    token = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime()
    ended_at = fields.AwareDateTime(allow_none=True)


class TransferLineOut(TransferOut):
    """One of a list."""


class TransfersIn(Schema):
    cursor = fields.String(load_default=None, validate=Length(1, 40))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class TransfersOut(Page):
    items = fields.List(fields.Nested(TransferLineOut))


class OfferedOut(Schema):
    """`own`: the shopper is who offers it."""

    name = fields.String()
    summary = fields.String()
    status = fields.String()
    own = fields.Boolean()
    valid_from = fields.AwareDateTime()
    valid_to = fields.AwareDateTime()
    expires_at = fields.AwareDateTime()


class InviteOut(Schema):
    code = fields.String(metadata={"description": "Goes into a link or a mini-program code; sent with the login."})
    brought = fields.Integer(metadata={"description": "New members who came by it."})


@bp.post("/redeem-codes")
@bp.input(RedeemCodeIn)
@bp.output(GotOut)
@bp.doc(summary="Exchange a code for a coupon", security=auth.SECURITY, responses=[401, 404, 409, 422, 429, 503])
@wording.added()
def exchange(json_data: dict[str, str]) -> dict[str, Any]:
    """Needs an Idempotency-Key. 404 `redeem_code_unknown`, 409 `redeem_code_used` or `redeem_code_ended`; where the
    campaign gives none now the code stays good. Wrong codes count: 429 after ten a minute.
    """
    with reading():
        who = auth.member()
    coupon_limits.exchanging(brand_id=who.brand_id, member_id=who.member_id, address=request.remote_addr or "")

    def work() -> dict[str, Any]:
        return _got(commands.exchange(brand_id=who.brand_id, member_id=who.member_id, code=json_data["code"]))

    return _once(who, "redeem_code", json_data, work)


@bp.post("/coupons/<coupon>/transfers")
@bp.output(TransferOut, status_code=201)
@bp.doc(summary="Offer a coupon to a friend", security=auth.SECURITY, responses=[401, 404, 409, 422])
@wording.added()
def offer(coupon: str) -> dict[str, Any]:
    """Needs an Idempotency-Key. The coupon is held for a day; the first member who opens the link with the `token` has
    it. 409 `coupon_not_transferable` where the campaign does not allow it.
    """
    with reading():
        who = auth.member()
    coupon_id = _decoded("cpn", coupon, CouponUnknown)

    def work() -> dict[str, Any]:
        transfer_id = commands.offer_transfer(
            brand_id=who.brand_id, member_id=who.member_id, coupon_id=coupon_id
        )
        return {"transfer_id": transfer_id}

    answer = _once(who, "transfer", coupon, work)
    return _told(coupons.transfer(who.brand_id, who.member_id, answer["transfer_id"]))


@bp.get("/transfers")
@bp.input(TransfersIn, location="query")
@bp.output(TransfersOut)
@bp.doc(summary="What I offered to friends", security=auth.SECURITY, responses=[401, 409, 422])
def transfers(query_data: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    who, limit = auth.member(), query_data["limit"]
    before = paging.after_id(query_data["cursor"])
    found = coupons.transfers(who.brand_id, who.member_id, before=before, limit=limit + 1)
    shown, next_cursor = paging.page(found, limit, lambda one: (one.transfer_id,))
    return {"items": [_told(one) for one in shown], "next_cursor": next_cursor}


@bp.delete("/transfers/<transfer_id>")
@bp.output(TransferOut)
@bp.doc(summary="Take an offered coupon back", security=auth.SECURITY, responses=[401, 404, 409])
@wording.added()
def take_back(transfer_id: str) -> dict[str, Any]:
    """409 `transfer_ended` when a friend has it, or it is the shopper's again."""
    with reading():
        who = auth.member()
    which = _decoded("cgt", transfer_id, TransferUnknown)
    key = {"brand_id": who.brand_id, "member_id": who.member_id, "transfer_id": which}
    run(lambda: commands.take_back_transfer(**key))
    return _told(coupons.transfer(who.brand_id, who.member_id, which))


@bp.get("/gifts/<token>")
@bp.output(OfferedOut)
@bp.doc(summary="What a friend offers me", security=auth.SECURITY, responses=[401, 404, 409, 429])
@wording.added()
def offered(token: str) -> dict[str, Any]:
    with reading():
        who = auth.member()
    rates.check("miniapp.gift", ids.encode("mbr", who.member_id), most=LINKS_A_MINUTE)
    found = commands.find_transfer(who.brand_id, token)
    one = coupons.transfer(who.brand_id, found.member_id, found.transfer_id)
    return {**one._asdict(), "summary": wording.offer(one.terms), "own": one.member_id == who.member_id}


@bp.post("/gifts/<token>")
@bp.output(GotOut)
@bp.doc(summary="Take what a friend offers", security=auth.SECURITY, responses=[401, 404, 409, 422, 429, 503])
@wording.added()
def take(token: str) -> dict[str, Any]:
    """Needs an Idempotency-Key. The first who takes it has it: 409 `transfer_ended` for the others, `transfer_own` for
    who offers it, `limit_reached` for who has all they may have.
    """
    with reading():
        who = auth.member()
    rates.check("miniapp.gift", ids.encode("mbr", who.member_id), most=LINKS_A_MINUTE)

    def work() -> dict[str, Any]:
        coupon_id = commands.take_transfer(brand_id=who.brand_id, member_id=who.member_id, token=token)
        return _got(coupons.owned(who.brand_id, who.member_id, coupon_id))

    return _once(who, "gift", token, work)


@bp.get("/invitation")
@bp.output(InviteOut)
@bp.doc(summary="My invitation", security=auth.SECURITY, responses=[401, 409])
def invitation() -> dict[str, Any]:
    """The code that makes whoever joins by it count as brought by this member."""
    who = auth.member()
    homes = family(who.brand_id, who.member_id).homes
    return {
        "code": referrals.code_of(who.brand_id, who.member_id),
        "brought": referrals.brought(who.brand_id, homes),
    }


def _once(who: auth.MemberSession, action: str, body: Any, work: Any) -> dict[str, Any]:
    key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
    digest = idempotency.request_hash(f"coupons.{action}", body)
    scope = f"{auth.SCOPE}{who.member_id}"
    return run(lambda: idempotency.once(scope=scope, key=key, digest=digest, work=work))


def _got(coupon: Coupon) -> dict[str, Any]:
    return {
        "coupon_id": coupon.coupon_id,
        "campaign_id": coupon.campaign_id,
        "name": coupons.campaign(coupon.brand_id, coupon.campaign_id).name,
        "valid_from": coupon.valid_from.isoformat(),
        "valid_to": coupon.valid_to.isoformat(),
    }


def _told(one: coupons.Offered) -> dict[str, Any]:
    token = commands.token_of(one.transfer_id) if one.status == "open" else None
    return {**one._asdict(), "summary": wording.offer(one.terms), "token": token}


def _decoded(prefix: str, text: str, unknown: type[NotFound]) -> int:
    try:
        return ids.decode(prefix, text)
    except NotFound:
        raise unknown() from None
