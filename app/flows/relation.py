"""What a change_external_contact callback says, read from the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.errors import Invalid
from app.core.inbox import Inbox
from app.org import queries as org
from app.org.models import PlatformAccount


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


def optional(row: Inbox, name: str) -> str | None:
    """A field that an event may have; empty counts as absent."""
    value = row.payload.get(name)
    return value if isinstance(value, str) and value else None


def _text(row: Inbox, name: str) -> str:
    value = optional(row, name)
    if value is None:
        raise CallbackIncomplete(field=name)
    return value
