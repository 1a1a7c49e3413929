"""My own account: password and second factor, for programs and on a page."""

from __future__ import annotations

import io
from typing import Any

import segno
from apiflask import Schema, fields
from apiflask.validators import Length
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import audit
from app.core.errors import Invalid, SiyuError
from app.core.transaction import transaction
from app.org import admins, queries, second_factor
from app.org.models import AdminUser

from . import auth, scope
from .blueprint import api
from .console import console


class CodeWrong(Invalid):
    code, message = "code_wrong", "The code is not right, or was used before."


class PasswordWrong(Invalid):
    code, message = "password_wrong", "The present password is not right."


class PasswordIn(Schema):
    password = fields.String(required=True, validate=Length(1, 200), metadata={"format": "password"})
    new_password = fields.String(required=True, validate=Length(1, 200), metadata={"format": "password"})


class FactorCodeIn(Schema):
    code = fields.String(required=True, validate=Length(1, 40))


class FactorOut(Schema):
    uri = fields.String(metadata={"description": "otpauth:// URI for an authenticator; shown this once."})


class RecoveryOut(Schema):
    recovery_codes = fields.List(fields.String(), metadata={"description": "Each works once; shown this once."})


class DoneOut(Schema):
    status = fields.String()


class ChangedOut(DoneOut):
    """`expires_in` is in seconds."""

    token = fields.String()
    expires_in = fields.Integer()


@api.post("/me/password")
@api.input(PasswordIn, arg_name="given")
@api.output(ChangedOut)
@api.doc(summary="Change my password", security="AdminToken", responses=[401, 403, 422])
def change_password(given: dict[str, str]) -> dict[str, Any]:
    """Every token given before ends with it, this one too: go on with the one in the answer."""
    token, seconds = _change_password(given["password"], given["new_password"])
    return {"status": "ok", "token": token, "expires_in": seconds}


@api.post("/me/second-factor")
@api.output(FactorOut)
@api.doc(summary="Begin to set up a second factor", security="AdminToken", responses=[401, 403, 409])
def begin_factor() -> dict[str, str]:
    return {"uri": _begin()}


@api.post("/me/second-factor/confirm")
@api.input(FactorCodeIn, arg_name="given")
@api.output(RecoveryOut)
@api.doc(summary="Confirm the second factor with a first code", security="AdminToken", responses=[401, 403, 409, 422])
def confirm_factor(given: dict[str, str]) -> dict[str, Any]:
    """From now on a login needs a code."""
    return {"recovery_codes": _confirm(given["code"])}


@api.delete("/me/second-factor")
@api.input(FactorCodeIn, arg_name="given")
@api.output(DoneOut)
@api.doc(summary="Remove my second factor", security="AdminToken", responses=[401, 403, 422])
def remove_factor(given: dict[str, str]) -> dict[str, str]:
    _remove(given["code"])
    return {"status": "ok"}


@console.get("/account")
def account() -> str:
    return _page()


@console.post("/account/password", endpoint="change_password")
def change_password_on_page() -> ResponseReturnValue:
    try:
        if request.form.get("new_password") != request.form.get("again"):
            raise Invalid("The new passwords differ.")
        token, seconds = _change_password(
            request.form.get("password", "")[:200], request.form.get("new_password", "")[:200]
        )
    except (PasswordWrong, Invalid) as error:
        return _page(failed=error), error.status
    return auth.with_cookie(redirect(url_for("console.account", saved="password")), token, seconds)


@console.post("/account/second-factor", endpoint="begin_factor")
def begin_factor_on_page() -> str:
    return _page(uri=_begin())


@console.post("/account/second-factor/confirm", endpoint="confirm_factor")
def confirm_factor_on_page() -> ResponseReturnValue:
    try:
        return _page(recovery_codes=_confirm(request.form.get("code", "")[:40]))
    except CodeWrong as error:
        return _page(failed=error), error.status


@console.post("/account/second-factor/remove", endpoint="remove_factor")
def remove_factor_on_page() -> ResponseReturnValue:
    try:
        _remove(request.form.get("code", "")[:40])
    except CodeWrong as error:
        return _page(failed=error), error.status
    return redirect(url_for("console.account", saved="factor"))


def _page(*, uri: str = "", recovery_codes: list[str] | None = None, failed: SiyuError | None = None) -> str:
    user = _me()
    return render_template(
        "console/account.html",
        user=user,
        unfinished=auth.unfinished(user),
        picture=_picture(uri) if uri else "",
        uri=uri,
        recovery_codes=recovery_codes,
        failed=failed.code if failed else "",
        saved=request.args.get("saved", ""),
    )


def _picture(uri: str) -> str:
    """The URI as a QR code in SVG: drawn here, so that the seed goes to no other server."""
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="svg", border=2, omitsize=True, xmldecl=False, svgns=False)
    return drawn.getvalue().decode()


def _me() -> AdminUser:
    found = queries.admin_user_by_id(scope.current().admin_id)
    assert found is not None
    return found


def _change_password(password: str, new_password: str) -> tuple[str, int]:
    """A token in place of those that end by it. Counted like a login: whoever holds a session must not try passwords
    on it. Argon2 runs in no transaction.
    """
    me, user = scope.current(), _me()
    with transaction():
        known = admins.begin_login(login=user.login)
    if known is None or not admins.password_matches(known, password):
        raise PasswordWrong()
    with transaction():
        admins.set_password(admin_id=me.admin_id, password=new_password)
        audit.record(actor=me.actor, action="admin.change_password", subject=me.actor)
    return auth.token_of(_me())


def _begin() -> str:
    with transaction():
        return second_factor.begin(admin_id=scope.current().admin_id)


def _confirm(code: str) -> list[str]:
    me = scope.current()
    with transaction():
        codes = second_factor.confirm(admin_id=me.admin_id, code=code)
        if codes is None:
            raise CodeWrong()
        audit.record(actor=me.actor, action="admin.set_up_second_factor", subject=me.actor)
    return codes


def _remove(code: str) -> None:
    """With a code, so that an open screen is not enough; tries are counted like logins."""
    me = scope.current()
    with transaction():
        known = admins.begin_login(login=_me().login)
    if known is None:
        raise CodeWrong()
    with transaction():
        if not second_factor.spend(admin_id=me.admin_id, code=code):
            raise CodeWrong()
        second_factor.remove(admin_id=me.admin_id)
        admins.end_login(admin_id=me.admin_id)
        audit.record(actor=me.actor, action="admin.remove_second_factor", subject=me.actor)
