"""A mall's server tells of an account of its own: account, phone and unionid become one person's, the person a member.

The mall is believed as a till is: its account and a phone are typed in by people, so they never move a wallet by
themselves. A unionid it names is what WeChat told the mall's own login, and decides whose the account is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.core import ids
from app.core.errors import Invalid
from app.identity import queries as identity
from app.identity.errors import IdentityErased
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as members_queries
from app.members.models import Member
from app.org import queries as org
from app.privacy import queries as privacy

from . import people

DEFAULT_SYSTEM = "mall"


class OpenPlatformUnknown(Invalid):
    code, message = "open_platform_unknown", "The brand has no account whose unionids we could compare it with."


@dataclass(frozen=True, kw_only=True)
class Told:
    """`new` is False when the person was a member before; `review`: ids contradict and a human will look."""

    member: Member
    new: bool
    review: bool


def mall_identity(brand_id: int, account: str, system: str = DEFAULT_SYSTEM) -> Identity:
    """The identity of a mall account; each mall of a brand is a system of its own."""
    return Identity("mall", f"{ids.encode('brd', brand_id)}:{system}", account)


def tell(
    *,
    brand_id: int,
    account: str,
    system: str = DEFAULT_SYSTEM,
    phone: str | None = None,
    unionid: str | None = None,
    name: str | None = None,
    store_id: int | None = None,
    registered_at: datetime | None = None,
) -> Told:
    """Join the holder of a mall account to the brand; telling the same again changes nothing.

    What contradicts (a phone of somebody with another account, a unionid of another member) stays apart under review,
    and the answer is the account's own member. A mall tells of its accounts again and again: ids of somebody who was
    erased bring nobody back, unless the account was registered since. Raises OpenPlatformUnknown, PhoneInvalid,
    IdentityErased.
    """
    mine = mall_identity(brand_id, account, system)
    told = [mine]
    if unionid is not None:
        told.append(Identity("unionid", _open_platform(brand_id), unionid))
    number = mobile(phone) if phone is not None else None
    if number is not None:
        told.append(number)
    stale = any(not _registered_since(registered_at, one) for one in identity.erased(told))
    linked = people.link(brand_id=brand_id, ids=told, source="mall", evidence={"system": system}, passive=stale)
    if stale and privacy.left(brand_id, linked.person_id):
        raise IdentityErased()
    person_id = identity.person_of(mine) or linked.person_id
    before = members_queries.member_of(brand_id, person_id)
    is_theirs = number is not None and identity.person_of(number) == person_id
    member_id = members.join(
        brand_id=brand_id,
        person_id=person_id,
        source="mall",
        store_id=store_id,
        name=name,
        phone_tail=number.value[-4:] if number is not None and is_theirs else None,
        joined_at=registered_at,
    )
    people.adopt(brand_id=brand_id, person_id=person_id)
    member = members_queries.member(brand_id, member_id)
    assert member is not None
    return Told(member=member, new=before is None, review=linked.conflict is not None)


def _registered_since(registered_at: datetime | None, one: Identity) -> bool:
    erased_at = identity.erased_at(one)
    return erased_at is None or (registered_at is not None and registered_at > erased_at)


def _open_platform(brand_id: int) -> str:
    """Whose unionids the brand's mini-program (or official account) sees: those of one company are the same."""
    for kind in ("miniprogram", "official"):
        account = org.account(brand_id, kind)
        if account is not None and account.open_platform:
            return account.open_platform
    raise OpenPlatformUnknown(field="unionid")
