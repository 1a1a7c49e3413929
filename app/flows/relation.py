"""What a change_external_contact callback says, read from the inbox, and noting the relation it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from app.channels import commands as channels
from app.core.errors import Invalid
from app.core.inbox import Inbox
from app.identity import queries as identity
from app.identity.rules import Identity
from app.org import queries as org
from app.org.models import Guide, PlatformAccount

from . import people


class CallbackIncomplete(Invalid):
    code, message = "callback_incomplete", "The callback lacks a field that every such event has."


class CorpUnknown(Invalid):
    code, message = "corp_unknown", "No account of ours has this corp id any more."


@dataclass(frozen=True)
class Relation:
    """The pair an event is about and Tencent's moment of it; `account` is ours of that corp."""

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
    corp_id = row.source.partition(":")[2]
    account = org.account_by_namespace("wecom", corp_id)
    if account is None:
        raise CorpUnknown()
    return Relation(
        account=account,
        corp_id=corp_id,
        userid=_text(row, "UserID"),
        external_userid=_text(row, "ExternalUserID"),
        at=datetime.fromtimestamp(int(_text(row, "CreateTime")), UTC),
    )


def note(told: Relation, *, source: str, state: str | None = None, own_act: bool = False) -> Noted | None:
    """Note that the relation stands since its moment; its external userid becomes a person's.

    None for somebody who was erased: news of them brings nobody back. `own_act`: the customer did it themselves, so
    what they did after they were erased is their coming back.
    """
    contact = Identity("external_userid", told.corp_id, told.external_userid)
    erased_at = identity.erased_at(contact)
    if erased_at is not None and not (own_act and told.at > erased_at):
        return None
    guide = org.guide_by_userid(told.corp_id, told.userid)
    guide = guide if guide is not None and guide.brand_id == told.brand_id else None
    linked = people.link(
        brand_id=told.brand_id,
        ids=[contact],
        source=source,
    )
    new = channels.record_follow(
        corp_id=told.corp_id,
        userid=told.userid,
        external_userid=told.external_userid,
        brand_id=told.brand_id,
        guide_id=guide.id if guide else None,
        person_id=linked.person_id,
        at=told.at,
        state=state,
    )
    return Noted(guide, linked.person_id, new)


def optional(row: Inbox, name: str) -> str | None:
    """A field that an event may have; empty counts as absent."""
    value = row.payload.get(name)
    return value if isinstance(value, str) and value else None


def _text(row: Inbox, name: str) -> str:
    value = optional(row, name)
    if value is None:
        raise CallbackIncomplete(field=name)
    return value
