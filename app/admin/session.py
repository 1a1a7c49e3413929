"""Signing in, who am I, signing out."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.core.fields import PublicId
from app.org.models import AdminUser

from . import auth, scope
from .blueprint import api


class LoginIn(Schema):
    login = fields.String(required=True, validate=Length(1, 100))
    password = fields.String(required=True, validate=Length(1, 200), metadata={"format": "password"})


class CodeIn(Schema):
    ticket = fields.String(required=True, validate=Length(1, 2000), metadata={"description": "From POST /login."})
    code = fields.String(required=True, validate=Length(1, 40), metadata={"description": "One-time or recovery code."})


class TokenOut(Schema):
    """`token` goes into `Authorization: Bearer ...`; `expires_in` is in seconds."""

    token = fields.String()
    expires_in = fields.Integer()
    name = fields.String()
    role = fields.String()


class MeOut(Schema):
    """`stores` is null when every store of the brand is seen."""

    id = PublicId("adm", attribute="admin_id")
    name = fields.String()
    role = fields.String()
    brand = PublicId("brd", attribute="brand_id")
    brand_name = fields.String()
    timezone = fields.String()
    stores = fields.List(PublicId("sto"), allow_none=True)
    csrf_token = fields.String(metadata={"description": "For writes that come with the session cookie."})


class DoneOut(Schema):
    status = fields.String()


@api.post("/login")
@api.input(LoginIn, arg_name="given")
@api.output(TokenOut)
@api.doc(summary="Sign in with login and password", responses=[401, 429])
def login(given: dict[str, str]) -> dict[str, Any]:
    """A token for eight hours, or 401 `second_factor_needed` with a ticket. Ten wrong passwords or codes in a row lock
    the account for a quarter of an hour; many logins from one address have to wait a minute."""
    return _token(*auth.login(given["login"], given["password"]))


@api.post("/login/second-factor")
@api.input(CodeIn, arg_name="given")
@api.output(TokenOut)
@api.doc(summary="Finish a login with a code of the second factor", responses=[401, 429])
def second_factor(given: dict[str, str]) -> dict[str, Any]:
    """Every code works once."""
    return _token(*auth.give_code(given["ticket"], given["code"]))


def _token(admin: AdminUser, token: str, seconds: int) -> dict[str, Any]:
    return {"token": token, "expires_in": seconds, "name": admin.name, "role": admin.role}


@api.get("/me")
@api.output(MeOut)
@api.doc(summary="Who am I and what do I see", security="AdminToken", responses=[401])
def me() -> dict[str, Any]:
    mine = scope.current()
    seen = mine.reach.store_ids
    return {
        "admin_id": mine.admin_id,
        "name": mine.name,
        "role": mine.role,
        "brand_id": mine.brand_id,
        "brand_name": mine.brand_name,
        "timezone": mine.timezone,
        "stores": None if seen is None else sorted(seen),
        "csrf_token": auth.csrf_token(),
    }


@api.post("/logout")
@api.output(DoneOut)
@api.doc(summary="Make the token worthless", security="AdminToken", responses=[401, 403])
def logout() -> dict[str, str]:
    auth.logout()
    return {"status": "ok"}
