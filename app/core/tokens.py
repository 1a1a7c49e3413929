"""Short tokens of ours: signed, bound to one audience, revocable.

HS256 JWTs. A token lives as long as its session; logging out or a security act puts its id on the revoked list.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, hot
from .db import Base, distribution, session
from .errors import ProgrammingError, Unauthorized

TTL = {
    "miniapp": timedelta(hours=2),
    "sidebar": timedelta(hours=8),
    "admin": timedelta(hours=8),
    "admin.ticket": timedelta(minutes=5),  # a good password that still waits for its second factor
}

IS_REVOKED = "SELECT 1 FROM revoked_token WHERE jti = %(jti)s"

_key: OctKey | None = None


class TokenInvalid(Unauthorized):
    code, message = "token_invalid", "The token is missing, expired, revoked or not meant for this audience."


class RevokedToken(Base):
    __tablename__ = "revoked_token"
    __table_args__ = (distribution("local"),)

    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def configure(secret: str) -> None:
    """Install the signing key; called once by the composition root."""
    global _key
    _key = OctKey.import_key(secret)


def _signing_key() -> OctKey:
    if _key is None:
        raise ProgrammingError("tokens are not configured")
    return _key


def issue(audience: str, claims: dict[str, Any]) -> tuple[str, int]:
    """A token for an audience and its life in seconds. `claims` are ids, as strings or integers below 2**53."""
    now, ttl = clock.now(), TTL[audience]
    body = {
        **claims,
        "aud": audience,
        "jti": secrets.token_urlsafe(12),
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
    }
    return jwt.encode({"alg": "HS256"}, body, _signing_key()), int(ttl.total_seconds())


def read(audience: str, token: str) -> dict[str, Any]:
    """The claims of a good token; TokenInvalid otherwise. One indexed look at the revoked list."""
    try:
        claims = jwt.decode(token, _signing_key(), algorithms=["HS256"]).claims
    except (JoseError, ValueError) as error:
        raise TokenInvalid() from error
    if claims.get("aud") != audience or claims.get("exp", 0) <= clock.now().timestamp():
        raise TokenInvalid()
    if hot.fetch_one(IS_REVOKED, {"jti": claims["jti"]}) is not None:
        raise TokenInvalid()
    return dict(claims)


def revoke(claims: dict[str, Any]) -> None:
    """Put a token on the revoked list, in the open transaction."""
    expires = datetime.fromtimestamp(claims["exp"], tz=clock.now().tzinfo)
    session.execute(insert(RevokedToken).values(jti=claims["jti"], expires_at=expires).on_conflict_do_nothing())
