"""Acquisition links (WeCom docs, path/97299): quota, links that stopped working, what customers did on the way in."""

from __future__ import annotations

from app.channels import acquisition
from app.core.inbox import Inbox

from .told import told

_BALANCES = {
    "balance_low": "low",
    "balance_exhausted": "exhausted",
    "balance_increased": "increased",
    "quota_expire_soon": "expiring",
}
_LINKS = {"link_unavailable": "unavailable", "delete_link": "deleted"}
BALANCES, LINKS = tuple(_BALANCES), tuple(_LINKS)
ARRIVALS = ("open_profile", "friend_request", "customer_start_chat", "message_from_customer")


def balance(row: Inbox) -> None:
    """For BALANCES."""
    news = told(row)
    acquisition.put_balance(
        brand_id=news.brand_id,
        corp_id=news.namespace,
        state=_BALANCES[_change(row)],
        at=news.at,
        expires_at=news.moment("ExpireTime"),
        expiring=news.number("ExpireQuotaNum"),
    )


def link(row: Inbox) -> None:
    """For LINKS."""
    news = told(row)
    acquisition.put_link(
        brand_id=news.brand_id,
        corp_id=news.namespace,
        link_id=news.text("LinkId"),
        status=_LINKS[_change(row)],
        at=news.at,
    )


def arrival(row: Inbox) -> None:
    """For ARRIVALS. `ChatKey` is worth a look at the chat (get_chat_info) for who wants it."""
    news = told(row)
    acquisition.note_arrival(
        event_id=row.id,
        brand_id=news.brand_id,
        corp_id=news.namespace,
        kind=_change(row),
        at=news.at,
        link_id=news.optional("LinkId"),
        userid=news.optional("UserID"),
        external_userid=news.optional("ExternalUserID"),
        state=news.optional("State"),
        facts={name: value for name in ("ChatKey", "ChatSeq") if (value := news.optional(name)) is not None},
    )


def _change(row: Inbox) -> str:
    return row.kind.rpartition(".")[2]
