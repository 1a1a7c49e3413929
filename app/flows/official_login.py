"""A shopper opened the brand's H5 page from its official account: who is it?

The openid is the official account's, another than the mini-program's; the unionid says that both are one human. So who
is a member in the mini-program is one here at once, and who binds a phone there later becomes one here, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core import log
from app.core.errors import SiyuError
from app.identity import queries as identity
from app.identity.rules import Identity
from app.members import queries as members
from app.org.models import PlatformAccount
from app.wechat.official import OfficialGateway, WebUser

from . import accounts, people
from .mini_login import LoggedIn

_log = log.get("official")


@dataclass(frozen=True)
class Visitor:
    """What WeChat vouches for; `unionid` may come later or never."""

    openid: str
    unionid: str | None


def identify(account: PlatformAccount, code: str) -> Visitor:
    """Ask WeChat who came with the code; outside any transaction. Raises LoginCodeInvalid, LoginCodeUsed, SnapshotUser.

    A silent login often lacks the unionid. Then the profile (where the user allowed it) or the list of followers is
    asked; without an answer the login goes on, and the unionid is linked another time.
    """
    gateway = accounts.official(account.brand_id)
    user = gateway.web_user(code)
    unionid = user.unionid
    if unionid is None and account.open_platform:
        try:
            unionid = _unionid(gateway, user)
        except SiyuError as error:
            _log.info("a login goes on without a unionid", error=error.code)
    return Visitor(user.openid, unionid)


def login(*, account: PlatformAccount, visitor: Visitor) -> LoggedIn:
    """Link what WeChat said of the visitor and find the membership. Opens none: binding does."""
    ids = [Identity("openid", account.namespace, visitor.openid)]
    if visitor.unionid and account.open_platform:
        ids.append(Identity("unionid", account.open_platform, visitor.unionid))
    linked = people.link(brand_id=account.brand_id, ids=ids, source="official.login")
    if linked.merged:
        people.adopt(brand_id=account.brand_id, person_id=linked.person_id)
    given_to = identity.given_to(ids[0]) or linked.person_id
    return LoggedIn(linked.person_id, given_to, members.member_of(account.brand_id, linked.person_id))


def _unionid(gateway: OfficialGateway, user: WebUser) -> str | None:
    if user.profile_allowed:
        return gateway.profile(user).unionid
    return gateway.subscriber(user.openid).unionid
