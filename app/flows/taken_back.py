"""A shopper takes back in WeChat what they had let the mini-program know: it is forgotten here as well.

WeChat tells which kind of data by a number (OpenID, RevokeInfo of user_authorization_revoke). Of all it can give, only
the phone is kept by us; names and pictures are never asked for.
"""

from __future__ import annotations

from app.channels.events import AuthorizationRevoked
from app.core import audit, ids
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.rules import Identity
from app.members import erase as members
from app.members import queries as member_queries

from . import erase
from .bind_phone import SOURCE

# The phone's number in WeChat's lists, the older and the newer one.
PHONE = frozenset({"8", "201"})
CANCELLED = "user_authorization_cancellation"


def on_revoked(event: AuthorizationRevoked) -> None:
    """Forget the phone that the mini-program gave us, or, when they gave up their account with it, the member. Told
    again, or of somebody unknown, it changes nothing.
    """
    if event.kind == CANCELLED:
        _cancelled(event)
        return
    if not PHONE & {str(one) for one in event.revoke_info}:
        return
    person_id = identity_queries.person_of(Identity("openid", event.appid, event.openid))
    if person_id is None:
        return
    gone = identity.take_back(person_id=person_id, kind="mobile", source=SOURCE)
    if not gone:
        return
    tails = [one.value[-4:] for one in gone]
    for member in member_queries.memberships(person_id):
        members.forget_phone(brand_id=member.brand_id, member_id=member.member_id, tails=tails)
    audit.record(
        actor="wechat", action="privacy.authorization_revoked", subject=ids.encode("prs", person_id), phones=len(gone)
    )


def _cancelled(event: AuthorizationRevoked) -> None:
    person_id = identity_queries.person_of(Identity("openid", event.appid, event.openid))
    member = member_queries.member_of(event.brand_id, person_id) if person_id is not None else None
    if member is not None and member.status != "erased":
        erase.erase(brand_id=event.brand_id, member_id=member.member_id, actor="wechat", reason=CANCELLED)
