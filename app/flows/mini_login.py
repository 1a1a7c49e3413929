"""A shopper opened the mini-program: who is it?"""

from __future__ import annotations

from dataclasses import dataclass

from app.identity import queries as identity
from app.identity.rules import Identity
from app.members import queries as members
from app.members.models import Member
from app.org.models import PlatformAccount
from app.wechat.miniprogram import MiniSession

from . import people


@dataclass(frozen=True)
class LoggedIn:
    """`member` is None for somebody who is no member of the brand yet. `given_to`: whom the openid was given to, who
    may have been merged into `person_id`; who logs in is them, also when that merge is taken back.
    """

    person_id: int
    given_to: int
    member: Member | None


def login(*, account: PlatformAccount, session: MiniSession) -> LoggedIn:
    """Link what WeChat (never a client) said of the user and find the membership. Opens none: binding does."""
    ids = [Identity("openid", account.namespace, session.openid)]
    if session.unionid and account.open_platform:
        ids.append(Identity("unionid", account.open_platform, session.unionid))
    linked = people.link(brand_id=account.brand_id, ids=ids, source="miniapp.login")
    if linked.merged:
        people.adopt(brand_id=account.brand_id, person_id=linked.person_id)
    given_to = identity.given_to(ids[0]) or linked.person_id
    return LoggedIn(linked.person_id, given_to, members.member_of(account.brand_id, linked.person_id))
