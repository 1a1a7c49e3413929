"""Who the shopper of a request is: a short token from the login, resolved anew every time.

The token names the person the openid was given to, who may have been merged or parted since; so nothing but the answer
of this moment counts.

    who = auth.shopper()     anybody logged in            Shopper(brand_id, person_id, member_id or None, ..)
    who = auth.member()      a member in good standing     MemberSession(.., member_id, asked), else not_a_member (409)
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass

from flask import request

from app.core import crypto, ids, tokens
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.idempotency import Asked
from app.core.tokens import TokenInvalid
from app.identity import queries as identity
from app.members import queries as members

AUDIENCE = "miniapp"
SCOPE = f"{AUDIENCE}:"  # of a member's idempotency keys, with the member's id behind it
SECURITY = "MiniappToken"
_KNOWN = "siyu.miniapp.shopper"

# Endpoints that prove themselves by WeChat's code.
OPEN = frozenset({"miniapp_session.login", "miniapp_official.start", "miniapp_official.callback"})


class NotAMember(Conflict):
    code, message = "not_a_member", "Bind a phone number first: this is for members."


class MemberFrozen(Forbidden):
    code, message = "member_frozen", "The membership is frozen."


@dataclass(frozen=True)
class Shopper:
    """`person_id` is the living person; `member_id` their membership of the brand; `openid_mark` tells the login;
    `asked` is what was found under the request's idempotency key.
    """

    brand_id: int
    person_id: int
    member_id: int | None
    status: str | None
    openid_mark: str
    asked: Asked


@dataclass(frozen=True)
class MemberSession:
    brand_id: int
    person_id: int
    member_id: int
    asked: Asked


def issue(*, brand_id: int, person_id: int, openid: str) -> tuple[str, int]:
    """A token for a fresh login and its life in seconds."""
    claims = {
        "sub": ids.encode("prs", person_id),
        "brd": ids.encode("brd", brand_id),
        "oid": _mark(openid),
    }
    return tokens.issue(AUDIENCE, claims)


def guard() -> None:
    """Before every request of the audience's blueprints: a stranger is told so before a body is looked at."""
    if request.endpoint not in OPEN:
        shopper()


def shopper() -> Shopper:
    """The shopper of this request, TokenInvalid (401) without a good bearer token."""
    known: Shopper | None = request.environ.get(_KNOWN)
    if known is None:
        known = request.environ[_KNOWN] = _read()
    return known


def member() -> MemberSession:
    """The member of this request; NotAMember (409) before a phone is bound."""
    who = shopper()
    if who.member_id is None or who.status == "erased":
        raise NotAMember()
    if who.status == "frozen":
        raise MemberFrozen()
    return MemberSession(who.brand_id, who.person_id, who.member_id, who.asked)


def openid(who: Shopper, appid: str) -> str:
    """The openid this shopper logged in with: from our own records, never from the client."""
    for value in identity.values_of(who.person_id, "openid", appid):
        if hmac.compare_digest(_mark(value), who.openid_mark):
            return value
    raise TokenInvalid()


def _read() -> Shopper:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenInvalid()
    claims = tokens.signed(AUDIENCE, token)
    try:
        brand_id, person_id = ids.decode("brd", str(claims.get("brd"))), ids.decode("prs", str(claims.get("sub")))
    except NotFound:
        raise TokenInvalid() from None
    at, key = time.monotonic(), request.headers.get("Idempotency-Key", "")
    key = key if key.isprintable() else ""  # no other is taken, or could be asked for
    standing = members.standing(brand_id, person_id, claims["jti"], scope=SCOPE, key=key)
    if standing is None:
        raise TokenInvalid()
    asked = Asked(at, standing.digest, standing.answer)
    return Shopper(brand_id, standing.person_id, standing.member_id, standing.status, str(claims.get("oid")), asked)


def _mark(value: str) -> str:
    return crypto.mac("miniapp.openid", value.encode()).hex()[:32]
