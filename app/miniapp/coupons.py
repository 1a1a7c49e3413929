"""The shopper's wallet: coupons held, campaigns to claim from, and the rotating code shown at the till."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, OneOf, Range
from flask import request

from app.core import clock, idempotency, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import reading
from app.coupons import codes, commands, rules, wording
from app.coupons import queries as coupons
from app.coupons.errors import CampaignUnknown, CouponUnknown
from app.flows import coupon_limits

from . import auth

bp = APIBlueprint("miniapp_coupons", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

PAGE = 20
USABLE = "usable"


class TermsOut(Schema):
    """Amounts in fen, shares in basis points; `summary` says the same in words."""

    kind = fields.String(metadata={"description": "amount, threshold, percent, gift or shipping."})
    summary = fields.String(metadata={"example": "满¥300减¥50"})
    amount_fen = fields.Integer()
    threshold_fen = fields.Integer()
    percent_bp = fields.Integer(metadata={"description": "The share taken off: 1500 is 15 % off."})
    cap_fen = fields.Integer(allow_none=True)


class CardOut(TermsOut):
    id = PublicId("cpn", attribute="coupon_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    status = fields.String(metadata={"description": "claimed, locked, redeemed, returned, expired or voided."})
    usable = fields.Boolean(metadata={"description": "Whether a till would take it at this moment."})
    source = fields.String()
    claimed_at = fields.AwareDateTime()
    valid_from = fields.AwareDateTime()
    valid_to = fields.AwareDateTime()


class WalletIn(Schema):
    status = fields.String(load_default=None, validate=OneOf((USABLE, *rules.STATUSES)))
    cursor = fields.String(load_default=None, validate=Length(1, 40))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class WalletOut(Page):
    items = fields.List(fields.Nested(CardOut))


class OfferOut(TermsOut):
    id = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    left = fields.Integer(metadata={"description": "Coupons left for everybody."})
    taken = fields.Integer(metadata={"description": "Coupons of this campaign the member has had."})
    per_member = fields.Integer()
    claimable = fields.Boolean(metadata={"description": "Whether this member may claim one now."})


class OffersOut(Schema):
    items = fields.List(fields.Nested(OfferOut))


class ClaimedOut(Schema):
    id = PublicId("cpn", attribute="coupon_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    valid_from = fields.String()
    valid_to = fields.String()


class CodeOut(Schema):
    code = fields.String(metadata={"description": "Show it as a QR code; ask for the next one when it ends."})
    expires_in = fields.Integer(metadata={"description": "Seconds until the next code."})


@bp.get("/coupons")
@bp.input(WalletIn, location="query")
@bp.output(WalletOut)
@bp.doc(summary="My coupons", security=auth.SECURITY, responses=[401, 409, 422])
def wallet(query_data: dict[str, Any]) -> dict[str, Any]:
    """The member's coupons, newest first; `status=usable` for those a till may take."""
    who, status, limit = auth.member(), query_data["status"], query_data["limit"]
    statuses = rules.OPEN_STATUSES if status == USABLE else (status,) if status else None
    after = paging.after_id(query_data["cursor"])
    cards = coupons.wallet(who.brand_id, who.member_id, statuses=statuses, after=after, limit=limit + 1)
    shown, next_cursor = paging.page(cards, limit, lambda card: (card.coupon_id,))
    return {"items": [_card(card) for card in shown], "next_cursor": next_cursor}


@bp.get("/coupons/<coupon>/code")
@bp.output(CodeOut)
@bp.doc(summary="The code to show at the till", security=auth.SECURITY, responses=[401, 404, 409])
def code(coupon: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """The coupon's code of this minute; a till accepts it for this minute and the next, and once."""
    who, now = auth.member(), clock.now()
    row = coupons.owned(who.brand_id, who.member_id, _decoded("cpn", coupon, CouponUnknown))
    rules.check_usable(
        status=row.status,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        locked_order=row.locked_order,
        locked_until=row.locked_until,
        order_no="",
        at=now,
    )
    shown, seconds = codes.rotating(row.code, now)
    return {"code": shown, "expires_in": seconds}, 200, {"Cache-Control": "no-store"}


@bp.get("/campaigns")
@bp.output(OffersOut)
@bp.doc(summary="Campaigns to claim from", security=auth.SECURITY, responses=[401, 409])
def campaigns() -> dict[str, Any]:
    """The brand's open campaigns, those sold out or had in full included."""
    who = auth.member()
    return {"items": [_offer(offer) for offer in coupons.claimable(who.brand_id, who.member_id)]}


@bp.post("/campaigns/<campaign>/claim")
@bp.output(ClaimedOut)
@bp.doc(summary="Claim a coupon", security=auth.SECURITY, responses=[401, 404, 409, 422, 429])
def claim(campaign: str) -> dict[str, Any]:
    """Needs an Idempotency-Key: the same key gets the same coupon. Sold out, over the limit or paused answer 409, too
    many tries of one member or from one address 429."""
    with reading():
        who = auth.member()
    campaign_id = _decoded("cmp", campaign, CampaignUnknown)
    key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
    coupon_limits.claiming(brand_id=who.brand_id, member_id=who.member_id, address=request.remote_addr or "")
    taken = commands.claim(
        brand_id=who.brand_id,
        member_id=who.member_id,
        campaign_id=campaign_id,
        key=commands.Key(f"miniapp:{who.member_id}", key, idempotency.request_hash("coupons.claim", campaign)),
    )
    return taken._asdict()


def _terms(terms: rules.Terms) -> dict[str, Any]:
    return {
        "kind": terms.kind,
        "summary": wording.offer(terms),
        "amount_fen": terms.amount_fen,
        "threshold_fen": terms.threshold_fen,
        "percent_bp": terms.percent_bp,
        "cap_fen": terms.cap_fen,
    }


def _card(card: coupons.Card) -> dict[str, Any]:
    return {
        **_terms(card.terms),
        "coupon_id": card.coupon_id,
        "campaign_id": card.campaign_id,
        "name": card.name,
        "status": card.status,
        "usable": card.status in ("claimed", "returned") and card.valid_from <= clock.now(),
        "source": card.source,
        "claimed_at": card.claimed_at,
        "valid_from": card.valid_from,
        "valid_to": card.valid_to,
    }


def _offer(offer: coupons.Offer) -> dict[str, Any]:
    return {
        **_terms(offer.terms),
        "campaign_id": offer.campaign_id,
        "name": offer.name,
        "left": offer.left,
        "taken": offer.taken,
        "per_member": offer.terms.per_member,
        "claimable": offer.left > 0 and offer.taken < offer.terms.per_member,
    }


def _decoded(prefix: str, text: str, unknown: type[NotFound]) -> int:
    try:
        return ids.decode(prefix, text)
    except NotFound:
        raise unknown() from None
