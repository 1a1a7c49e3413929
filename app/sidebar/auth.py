"""Which guide a request is from: a session cookie set after WeCom said who opened the page, looked up anew every time.

The cookie is HttpOnly and SameSite=Lax, and every write takes JSON, so another site can neither read nor forge one.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, g, request

from app.core import ids, tokens
from app.core.errors import NotFound
from app.core.tokens import TokenInvalid
from app.org import queries as org
from app.org.models import Guide

AUDIENCE = "sidebar"
COOKIE = "siyu_sidebar"
SECURITY = "SidebarCookie"


@dataclass(frozen=True)
class GuideSession:
    brand_id: int
    guide_id: int
    store_id: int
    corp_id: str
    userid: str
    name: str
    role: str


def begin(response: Response, guide: Guide, *, secure: bool) -> None:
    """Set the cookie of a guide whom WeCom has just named."""
    token, seconds = tokens.issue(AUDIENCE, {"sub": ids.encode("gde", guide.id)})
    response.set_cookie(COOKIE, token, max_age=seconds, httponly=True, samesite="Lax", secure=secure, path="/")


def require() -> GuideSession:
    """Find out who asks, once a request; TokenInvalid (401) without a good cookie or for somebody who left."""
    found = g.guide = _read()
    return found


def guide() -> GuideSession:
    """The guide whom `require` found."""
    found: GuideSession = g.guide
    return found


def signed_in() -> GuideSession | None:
    """The guide of the request's cookie, or None."""
    try:
        return require()
    except TokenInvalid:
        return None


def _read() -> GuideSession:
    claims = tokens.read(AUDIENCE, request.cookies.get(COOKIE, ""))
    try:
        found = org.guide(ids.decode("gde", str(claims.get("sub"))))
    except NotFound:
        raise TokenInvalid() from None
    if found is None or found.status != "active":
        raise TokenInvalid()
    return GuideSession(found.brand_id, found.id, found.store_id, found.corp_id, found.userid, found.name, found.role)
