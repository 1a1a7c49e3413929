"""Logging in by code and binding a phone. Tencent is asked first; only what it vouched for enters a transaction."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, OneOf

from app.core import ids, rates, transaction
from app.core.transaction import reading
from app.flows import accounts, arrivals, bind_phone, gifts, mini_login, phone_claim
from app.flows.accounts import AccountMissing
from app.identity.errors import IdentityConflict
from app.identity.rules import Identity
from app.members.errors import PhoneTaken, ProofWrong
from app.org import queries as org

from . import auth
from .shapes import MemberOut, member_view

bp = APIBlueprint("miniapp_session", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)


CLAIMS_A_MINUTE = 10


class LoginIn(Schema):
    appid = fields.String(required=True, validate=Length(1, 64))
    code = fields.String(required=True, validate=Length(1, 512), metadata={"description": "From wx.login; works once."})
    scene = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 32),
        metadata={"description": "The decoded `scene` of the mini-program code it was opened by."},
    )
    invitation = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 32),
        metadata={"description": "The code of a member's invitation it was opened by."},
    )


class LoginOut(Schema):
    token = fields.String(metadata={"description": "Send as `Authorization: Bearer`."})
    expires_in = fields.Integer(metadata={"description": "Seconds."})
    bound = fields.Boolean(metadata={"description": "Whether a phone is bound, that is, whether this is a member."})
    member = fields.Nested(MemberOut, allow_none=True)


class PhoneIn(Schema):
    code = fields.String(
        required=True, validate=Length(1, 512), metadata={"description": "From the phone number button; works once."}
    )


class BoundOut(MemberOut):
    """The member that the phone now belongs to."""


class ClaimIn(Schema):
    answer = fields.String(
        required=True,
        validate=OneOf(("mine", "not_mine")),
        metadata={"description": "Whether the record that has this phone is the shopper's own."},
    )
    card_no = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 64),
        metadata={"description": "A card number or the member number of the record; with `mine`."},
    )
    birthday = fields.Date(load_default=None, allow_none=True)
    name = fields.String(load_default=None, allow_none=True, validate=Length(1, 64))


class ClaimedOut(Schema):
    """`status`: merged, moved, or review (a human will look, nothing has changed yet)."""

    status = fields.String()
    member = fields.Nested(MemberOut, allow_none=True)


@bp.post("/login")
@bp.input(LoginIn)
@bp.output(LoginOut)
@bp.doc(summary="Log in", responses=[401, 403, 404, 503])
def login(json_data: dict[str, Any]) -> dict[str, Any]:
    """Log in with the code of wx.login. A `scene` that is no channel code of the brand is ignored, and so is an
    invitation that is none."""
    with reading():
        account = org.account_by_namespace("miniprogram", json_data["appid"])
    if account is None:
        raise AccountMissing(kind="miniprogram")
    session = accounts.miniprogram(account.brand_id).code_to_session(json_data["code"])

    def work() -> mini_login.LoggedIn:
        found = mini_login.login(account=account, session=session)
        arrivals.opened(brand_id=account.brand_id, person_id=found.person_id, scene=json_data["scene"])
        gifts.invited(brand_id=account.brand_id, person_id=found.person_id, code=json_data["invitation"])
        return found

    logged_in = transaction.run(work)
    token, expires_in = auth.issue(brand_id=account.brand_id, person_id=logged_in.given_to, openid=session.openid)
    member = logged_in.member
    return {
        "token": token,
        "expires_in": expires_in,
        "bound": member is not None and member.bound_at is not None,
        "member": member_view(member) if member is not None else None,
    }


@bp.post("/phone")
@bp.input(PhoneIn)
@bp.output(BoundOut)
@bp.doc(summary="Bind my phone", security=auth.SECURITY, responses=[401, 403, 404, 409, 503])
def bind(json_data: dict[str, str]) -> dict[str, Any]:
    """Bind the phone number behind the button's code and become a member, with whatever the number's card holds."""
    who = auth.shopper()
    with reading():
        account = org.account(who.brand_id, "miniprogram")
        if account is None:
            raise AccountMissing(kind="miniprogram")
        openid = auth.openid(who, account.namespace)
    phone = accounts.miniprogram(who.brand_id).phone_number(json_data["code"], openid=openid)
    identity = Identity("openid", account.namespace, openid)
    bound = transaction.run(lambda: bind_phone.bind(brand_id=who.brand_id, openid=identity, phone=phone.number))
    if bound.claim_id is not None:
        claim = ids.encode("clm", bound.claim_id)
        raise PhoneTaken(reason=bound.reason, claim=claim, proofs=bound.proofs)
    if bound.member is None:
        raise IdentityConflict(reason=bound.reason)
    return member_view(bound.member)


@bp.post("/phone/claims/<claim_id>")
@bp.input(ClaimIn)
@bp.output(ClaimedOut)
@bp.doc(summary="Say whose the phone is", security=auth.SECURITY, responses=[401, 404, 409, 422, 429, 503])
def claim(claim_id: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """The answer to phone_taken. `mine`, proved by a card number and the birthday or name of the record, makes the two
    one member, or puts them up for review. `not_mine` gives the number to this shopper and leaves the other member's
    points and coupons where they are. A claim lives for half an hour and takes three proofs.
    """
    who = auth.shopper()
    rates.check("miniapp.claim", ids.encode("prs", who.person_id), most=CLAIMS_A_MINUTE)
    given = {name: json_data[name] for name in ("card_no", "birthday", "name")}
    done = transaction.run(
        lambda: phone_claim.answer(
            brand_id=who.brand_id,
            person_id=who.person_id,
            claim_id=ids.decode("clm", claim_id),
            mine=json_data["answer"] == "mine",
            **given,
        )
    )
    if done.status == "refused":
        raise ProofWrong(tries_left=done.tries_left)
    return {"status": done.status, "member": member_view(done.member) if done.member is not None else None}
