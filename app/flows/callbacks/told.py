"""Reading a stored callback: whose it is, when it happened, what its fields hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.core.errors import Invalid
from app.core.inbox import Inbox
from app.org import queries as org
from app.org.models import PlatformAccount

_FOREVER = 1 << 33  # seconds; a later moment is no moment


class CallbackIncomplete(Invalid):
    code, message = "callback_incomplete", "The callback lacks a field that every such event has."


class AccountGone(Invalid):
    code, message = "account_gone", "No account of ours has this corp id, suite id or appid any more."


@dataclass(frozen=True)
class Told:
    """One callback: `namespace` is the corp id, suite id or appid it came for, `account` ours of that, `at` Tencent's
    moment of it.
    """

    row: Inbox
    account: PlatformAccount
    at: datetime

    @property
    def brand_id(self) -> int:
        return self.account.brand_id

    @property
    def namespace(self) -> str:
        return self.account.namespace

    def text(self, name: str) -> str:
        """A field that every such event has."""
        found = self.optional(name)
        if found is None:
            raise CallbackIncomplete(field=name)
        return found

    def optional(self, name: str) -> str | None:
        """A field that an event may have; empty counts as absent."""
        return text(self.row.payload, name)

    def number(self, name: str) -> int | None:
        return number(self.row.payload, name)

    def moment(self, name: str) -> datetime | None:
        seconds = self.number(name)
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 < seconds < _FOREVER else None


def told(row: Inbox) -> Told:
    """What an inbox row of source `<kind>:<namespace>` says."""
    kind, _, namespace = row.source.partition(":")
    account = org.account_by_namespace(kind, namespace)
    if account is None:
        raise AccountGone()
    seconds = number(row.payload, "CreateTime")
    if seconds is None or not 0 <= seconds < _FOREVER:
        raise CallbackIncomplete(field="CreateTime")
    return Told(row, account, datetime.fromtimestamp(seconds, UTC))


def text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def number(fields: dict[str, Any], name: str) -> int | None:
    """A field that holds digits; anything else counts as absent."""
    value = text(fields, name)
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 19 else None
