"""What a change_external_contact callback says, read from the inbox, and noting the relation it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.channels import commands as channels
from app.core.inbox import Inbox
from app.identity import queries as identity
from app.identity.rules import Identity
from app.org import queries as org
from app.org import staff
from app.org.models import Guide, PlatformAccount

from . import people
from .callbacks.told import told


@dataclass(frozen=True)
class Relation:
    """The pair an event is about and Tencent's moment of it; `account` is ours of that corp. `userid` is the present
    one of whom the event meant.
    """

    account: PlatformAccount
    corp_id: str
    userid: str
    external_userid: str
    at: datetime

    @property
    def brand_id(self) -> int:
        return self.account.brand_id


class Noted(NamedTuple):
    """`guide` is None for staff who are no guide of the brand; `new`: the relation is new or stands again."""

    guide: Guide | None
    person_id: int
    new: bool


def relation(row: Inbox) -> Relation:
    """The relation an inbox row of source `wecom:<corp>` is about."""
    news = told(row)
    return Relation(
        account=news.account,
        corp_id=news.namespace,
        userid=staff.userid_now(news.namespace, news.text("UserID"), news.at),
        external_userid=news.text("ExternalUserID"),
        at=news.at,
    )


def note(
    told: Relation, *, source: str, state: str | None = None, own_act: bool = False, ended: bool = False
) -> Noted | None:
    """Note that the relation stands since its moment; its external userid becomes a person's.

    None for somebody who was erased: news of them brings nobody back. `own_act`: the customer did it themselves, so
    what they did after they were erased is their coming back. `ended`: only the end of it is known, and is noted next.
    """
    contact = Identity("external_userid", told.corp_id, told.external_userid)
    erased_at = identity.erased_at(contact)
    if erased_at is not None and not (own_act and told.at > erased_at):
        return None
    guide = org.guide_by_userid(told.corp_id, told.userid)
    guide = guide if guide is not None and guide.brand_id == told.brand_id else None
    linked = people.link(brand_id=told.brand_id, ids=[contact], source=source)
    new = channels.record_follow(
        corp_id=told.corp_id,
        userid=told.userid,
        external_userid=told.external_userid,
        brand_id=told.brand_id,
        guide_id=guide.id if guide else None,
        person_id=linked.person_id,
        at=told.at,
        state=state,
        told=not ended,
    )
    return Noted(guide, linked.person_id, new)


def optional(row: Inbox, name: str) -> str | None:
    """A field that an event may have; empty counts as absent."""
    value = row.payload.get(name)
    return value if isinstance(value, str) and value else None
