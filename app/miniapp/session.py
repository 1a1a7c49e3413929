"""Logging in by code and binding a phone. Tencent is asked first; only what it vouched for enters a transaction."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length

from app.core import transaction
from app.core.transaction import reading
from app.flows import accounts, bind_phone, mini_login
from app.flows.accounts import AccountMissing
from app.identity.errors import IdentityConflict
from app.identity.rules import Identity
from app.members.errors import TwoMembers
from app.org import queries as org

from . import auth
from .shapes import MemberOut, member_view

bp = APIBlueprint("miniapp_session", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)


class LoginIn(Schema):
    appid = fields.String(required=True, validate=Length(1, 64))
    code = fields.String(required=True, validate=Length(1, 512), metadata={"description": "From wx.login; works once."})


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


@bp.post("/login")
@bp.input(LoginIn)
@bp.output(LoginOut)
@bp.doc(summary="Log in", responses=[401, 403, 404, 503])
def login(json_data: dict[str, str]) -> dict[str, Any]:
    """Log in with the code of wx.login."""
    with reading():
        account = org.account_by_namespace("miniprogram", json_data["appid"])
    if account is None:
        raise AccountMissing(kind="miniprogram")
    session = accounts.miniprogram(account.brand_id).code_to_session(json_data["code"])
    logged_in = transaction.run(lambda: mini_login.login(account=account, session=session))
    token, expires_in = auth.issue(brand_id=account.brand_id, person_id=logged_in.person_id, openid=session.openid)
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
    if bound.member is None:
        raise TwoMembers() if bound.reason == "two_members" else IdentityConflict(reason=bound.reason)
    return member_view(bound.member)
