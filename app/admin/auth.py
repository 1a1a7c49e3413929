"""Signing in to the console: a short token, as a bearer for programs and as a cookie for browsers.

The cookie is HttpOnly and SameSite, and a write that comes with it must also carry a value that only our own pages
know (a header or a form field), so that another site cannot make a signed-in browser write.
"""

from __future__ import annotations

import hmac
from typing import Any

from flask import current_app, g, request
from werkzeug.wrappers import Response as BaseResponse

from app.core import audit, crypto, ids, rates, tokens
from app.core.errors import Forbidden, Unauthorized
from app.core.tokens import TokenInvalid
from app.core.transaction import transaction
from app.org import admins, queries, second_factor
from app.org.models import AdminUser

from . import scope

AUDIENCE = "admin"
TICKET = "admin.ticket"
COOKIE = "siyu_admin"
CSRF_HEADER = "X-CSRF-Token"
LOGINS_A_MINUTE = 30  # from one address: each costs argon2's time, and one password may be tried on many accounts
_SAFE = ("GET", "HEAD", "OPTIONS")


class LoginFailed(Unauthorized):
    """One answer for an unknown user, a wrong password and a locked account: a guesser learns nothing from it."""

    code, message = "login_failed", "The login or the password is wrong, or the account is locked for a while."


class SecondFactorNeeded(Unauthorized):
    """The password was right; `data.ticket` and a code of the second factor finish the login."""

    code, message = "second_factor_needed", "A code of the second factor is needed: send it with the ticket."


class AccountUnfinished(Forbidden):
    code, message = "account_unfinished", "Change the handed-over password and set up a second factor first."


class CsrfFailed(Forbidden):
    code, message = "csrf_failed", f"A write with the session cookie needs the header {CSRF_HEADER}."


def login(name: str, password: str) -> tuple[AdminUser, str, int]:
    """The user, a fresh token and its life in seconds; LoginFailed, SecondFactorNeeded, TooManyRequests.

    Argon2 runs in no transaction. A good password that waits for a code leaves its attempt counted, so that guessing
    codes locks the account as guessing passwords does.
    """
    rates.check("admin.login", request.remote_addr or "", most=LOGINS_A_MINUTE)
    with transaction():
        admin = admins.begin_login(login=name)
    if not admins.password_matches(admin, password) or admin is None:
        raise LoginFailed()
    if admin.factor_since is not None:
        ticket, seconds = tokens.issue(TICKET, {"sub": str(admin.id), "pwd": _mark(admin)})
        raise SecondFactorNeeded(ticket=ticket, expires_in=seconds)
    with transaction():
        return _signed_in(admin)


def give_code(ticket: str, code: str) -> tuple[AdminUser, str, int]:
    """The second half of a login: the ticket of a good password and a one-time or recovery code; LoginFailed."""
    rates.check("admin.login", request.remote_addr or "", most=LOGINS_A_MINUTE)
    claims = tokens.read(TICKET, ticket)
    known = queries.admin_user_by_id(int(claims["sub"]))
    if known is None:
        raise LoginFailed()
    with transaction():
        admin = admins.begin_login(login=known.login)
    if admin is None or not _fits(claims, admin):
        raise LoginFailed()
    with transaction():
        if not second_factor.spend(admin_id=admin.id, code=code):
            raise LoginFailed()
        tokens.revoke(claims)
        return _signed_in(admin)


def _signed_in(admin: AdminUser) -> tuple[AdminUser, str, int]:
    admins.end_login(admin_id=admin.id)
    actor = ids.encode("adm", admin.id)
    audit.record(actor=actor, action="admin.login", subject=actor, second_factor=admin.factor_since is not None)
    return admin, *token_of(admin)


def token_of(admin: AdminUser) -> tuple[str, int]:
    """A token that ends with the password it was given for, and its life in seconds."""
    return tokens.issue(AUDIENCE, {"sub": str(admin.id), "pwd": _mark(admin)})


def logout() -> None:
    """Make the present token worthless."""
    with transaction():
        tokens.revoke(g.admin_claims)
        audit.record(actor=scope.current().actor, action="admin.logout", subject=scope.current().actor)


def guard() -> None:
    """Before every request of the console and its API: who is it, may they, and how far do they see?"""
    bearer = request.headers.get("Authorization", "")
    by_cookie = not bearer
    token = request.cookies.get(COOKIE, "") if by_cookie else bearer.removeprefix("Bearer ")
    if not token:
        raise TokenInvalid()
    claims = tokens.read(AUDIENCE, token)
    admin = queries.admin_user_by_id(int(claims["sub"]))
    if admin is None or admin.status != "active":
        raise TokenInvalid()
    if not _fits(claims, admin):
        raise TokenInvalid()
    if by_cookie and request.method not in _SAFE:
        _check_csrf(claims)
    g.admin_claims = claims
    endpoint = request.endpoint or ""
    scope.enter(admin, endpoint, request.args.get("brand", ""))
    if endpoint not in scope.UNFINISHED and unfinished(admin):
        raise AccountUnfinished()


def unfinished(admin: AdminUser) -> bool:
    """Whether the user has to change a handed-over password or set up the second factor of their role first."""
    required: frozenset[str] = current_app.extensions["siyu"].second_factor_roles
    return admin.must_change_password or (admin.role in required and admin.factor_since is None)


def csrf_token() -> str:
    """What our pages put into the header of a write: bound to the session's token."""
    return _csrf_of(g.admin_claims)


def with_cookie(response: BaseResponse, token: str, seconds: int) -> BaseResponse:
    """The answer with a browser's session in it."""
    secure = current_app.extensions["siyu"].production
    response.set_cookie(COOKIE, token, max_age=seconds, httponly=True, samesite="Lax", secure=secure, path="/")
    return response


def without_cookie(response: BaseResponse) -> BaseResponse:
    response.delete_cookie(COOKIE, path="/")
    return response


def _fits(claims: dict[str, Any], admin: AdminUser) -> bool:
    """Whether the password is still the one that the claims were given for."""
    return hmac.compare_digest(str(claims.get("pwd")), _mark(admin))


def _mark(admin: AdminUser) -> str:
    return crypto.mac("admin.password", admin.password_hash.encode()).hex()[:32]


def _csrf_of(claims: dict[str, Any]) -> str:
    return crypto.mac("admin.csrf", str(claims["jti"]).encode()).hex()


def _check_csrf(claims: dict[str, Any]) -> None:
    given = request.headers.get(CSRF_HEADER) or request.form.get("csrf_token", "")
    if not hmac.compare_digest(given.encode(), _csrf_of(claims).encode()):
        raise CsrfFailed()
