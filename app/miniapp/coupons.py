"""The shopper's wallet: coupons held, campaigns to claim from, and the rotating code shown at the till."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, OneOf, Range
from flask import Response, jsonify, request

from app.core import clock, idempotency, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.coupons import codes, commands, rules, wording
from app.coupons import queries as coupons
from app.coupons.cards import cards_view, terms_view
from app.coupons.errors import CampaignUnknown, CouponUnknown
from app.flows import coupon_limits

from . import auth
from .cards import CardOut, TermsOut

bp = APIBlueprint("miniapp_coupons", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

PAGE = 20
USABLE, ENDING, UPCOMING = "usable", "ending", "upcoming"
ENDING_WITHIN = timedelta(days=3)


class WalletIn(Schema):
    status = fields.String(
        load_default=None,
        validate=OneOf((USABLE, ENDING, UPCOMING, *rules.STATUSES)),
        metadata={"description": "`ending`: within three days, the first to end first; `upcoming`: not valid yet."},
    )
    cursor = fields.String(load_default=None, validate=Length(1, 200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class CountsOut(Schema):
    """`usable` holds `ending` and `upcoming`."""

    usable = fields.Integer()
    ending = fields.Integer()
    upcoming = fields.Integer()
    redeemed = fields.Integer()
    expired = fields.Integer()
    voided = fields.Integer()


class WalletOut(Page):
    items = fields.List(fields.Nested(CardOut))
    counts = fields.Nested(
        CountsOut, allow_none=True, metadata={"description": "The whole wallet by heading; on the first page only."}
    )


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
    """The member's coupons, newest first; `status=usable` for those a till may take at some time."""
    who, status, limit = auth.member(), query_data["status"], query_data["limit"]
    key, cursor = (who.brand_id, who.member_id), query_data["cursor"]
    if status == ENDING:
        cards = coupons.ending(*key, within=ENDING_WITHIN, after=paging.after(cursor), limit=limit + 1)
        shown, next_cursor = paging.page(cards, limit, lambda card: (card.valid_to, card.coupon_id))
    else:
        statuses = rules.OPEN_STATUSES if status in (USABLE, UPCOMING) else (status,) if status else None
        cards = coupons.wallet(
            *key,
            statuses=statuses,
            after=paging.after_id(cursor),
            limit=limit + 1,
            upcoming=status == UPCOMING,
        )
        shown, next_cursor = paging.page(cards, limit, lambda card: (card.coupon_id,))
    counts = None if cursor else coupons.tabs(*key, ending_within=ENDING_WITHIN)
    return {"items": cards_view(who.brand_id, shown), "next_cursor": next_cursor, "counts": counts}


@bp.get("/coupons/<coupon>/code")
@bp.output(CodeOut)
@bp.doc(summary="The code to show at the till", security=auth.SECURITY, responses=[401, 404, 409])
def code(coupon: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """The coupon's code of this minute; a till accepts it for this minute and the next, and once."""
    who, now = auth.member(), clock.now()
    with wording.added():
        row = coupons.owned(who.brand_id, who.member_id, _decoded("cpn", coupon, CouponUnknown))
        rules.check_usable(row, at=now)
    shown, seconds = codes.rotating(row.code, now)
    return {"code": shown, "expires_in": seconds}, 200, {"Cache-Control": "no-store"}


@bp.get("/campaigns")
@bp.output(OffersOut)
@bp.doc(summary="Campaigns to claim from", security=auth.SECURITY, responses=[401, 409])
def campaigns() -> dict[str, Any]:
    """The brand's open campaigns, those sold out or had in full included."""
    who = auth.member()
    offers = coupons.claimable(who.brand_id, who.member_id)
    names = coupons.names_of(who.brand_id, (offer.terms for offer in offers))
    return {"items": [_offer(offer, names) for offer in offers]}


@bp.post("/campaigns/<campaign>/claim")
@bp.output(ClaimedOut)
@bp.doc(summary="Claim a coupon", security=auth.SECURITY, responses=[401, 404, 409, 422, 429, 503])
def claim(campaign: str) -> Response:
    """Needs an Idempotency-Key: the same key gets the same coupon. Sold out, over the limit or paused answer 409, too
    many tries of one member or from one address 429."""
    who = auth.member()
    key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
    with wording.added():
        coupon_limits.claiming(brand_id=who.brand_id, member_id=who.member_id, address=request.remote_addr or "")
        taken = commands.claim(
            brand_id=who.brand_id,
            member_id=who.member_id,
            campaign_id=_decoded("cmp", campaign, CampaignUnknown),
            key=commands.Key(f"{auth.SCOPE}{who.member_id}", key, idempotency.request_hash("coupons.claim", campaign)),
            asked=who.asked,
        )
    # Many come at once: the answer is spelt out here, as a schema costs as much as one of the statements.
    return jsonify(
        id=ids.encode("cpn", taken.coupon_id),
        campaign=ids.encode("cmp", taken.campaign_id),
        valid_from=taken.valid_from,
        valid_to=taken.valid_to,
    )


def _offer(offer: coupons.Offer, names: wording.Names) -> dict[str, Any]:
    terms = offer.terms
    return {
        **terms_view(terms, [*wording.conditions(terms, names), *wording.rules_of_taking(terms, names)]),
        "campaign_id": offer.campaign_id,
        "name": offer.name,
        "left": offer.left,
        "taken": offer.taken,
        "per_member": offer.terms.per_member,
        "claimable": offer.left > 0 and not offer.had_all,
    }


def _decoded(prefix: str, text: str, unknown: type[NotFound]) -> int:
    try:
        return ids.decode(prefix, text)
    except NotFound:
        raise unknown() from None
