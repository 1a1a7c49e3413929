"""The customer a guide asks about. The id comes from the page, so it counts only when this guide follows them."""

from __future__ import annotations

from dataclasses import dataclass

from app.channels import queries as channels
from app.channels.models import Follow
from app.channels.queries import ContactCard
from app.core.errors import NotFound
from app.members import queries as members
from app.members.models import Member
from app.org import queries as org
from app.tiers import queries as tiers

from .auth import GuideSession


class CustomerUnknown(NotFound):
    code, message = "customer_unknown", "There is no such customer among those the guide follows."


@dataclass(frozen=True)
class Customer:
    """`member` is None for somebody who is not a member of the brand (yet)."""

    follow: Follow
    card: ContactCard | None
    member: Member | None

    @property
    def name(self) -> str:
        """What the guide knows them as: the WeChat name, else the member's, else simply a customer."""
        named = self.card.name if self.card else ""
        return named or (self.member.plain_name if self.member else None) or "微信客户"


def followed(guide: GuideSession, external_userid: str) -> Customer:
    """The customer, if the signed-in guide follows them; CustomerUnknown (404) otherwise, whether or not they exist."""
    follow = channels.follow(guide.corp_id, guide.userid, external_userid)
    if follow is None or follow.status != "active" or follow.brand_id != guide.brand_id:
        raise CustomerUnknown()
    member = members.member_of(guide.brand_id, follow.person_id)
    if member is not None and member.status == "erased":
        member = None
    return Customer(follow, channels.contact_card(follow), member)


def values_for(guide: GuideSession, customer: Customer | None) -> dict[str, str | None]:
    """What stands for the variables of material when this guide speaks to this customer."""
    store = org.store(guide.brand_id, guide.store_id)
    values: dict[str, str | None] = {
        "brand": org.brand(guide.brand_id).name,
        "store": store.name if store else None,
        "guide": guide.name,
    }
    if customer is not None:
        values["name"] = customer.name
        if customer.member is not None:
            tier = tiers.current(guide.brand_id, customer.member.member_id)
            values["tier"] = tier.name if tier else None
    return values
