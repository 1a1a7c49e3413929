"""The mini-program: what users allow to be sent to them, and data they take back (developers.weixin.qq.com, message
push).
"""

from __future__ import annotations

import re
from typing import Any

from app.channels import followers
from app.channels.events import AuthorizationRevoked
from app.core.inbox import Inbox
from app.core.outbox import emit
from app.identity import queries as identity
from app.identity.rules import Identity

from .told import CallbackIncomplete, Told, number, text, told

_POPUP = ".subscribe_msg_popup_event"


def subscribed(row: Inbox) -> None:
    """For subscribe_msg_popup_event (each accept allows one message) and subscribe_msg_change_event (in settings)."""
    news = told(row)
    for one in _list(news):
        said = text(one, "SubscribeStatusString")
        template_id = text(one, "TemplateId")
        if template_id is not None and said in ("accept", "reject"):
            followers.note_subscription(
                brand_id=news.brand_id,
                appid=news.namespace,
                openid=news.text("FromUserName"),
                template_id=template_id,
                accept=said == "accept",
                once=row.kind.endswith(_POPUP),
                at=news.at,
            )


def sent(row: Inbox) -> None:
    """For subscribe_msg_sent_event."""
    news = told(row)
    for one in _list(news):
        template_id = text(one, "TemplateId")
        if template_id is not None:
            followers.note_delivery(
                brand_id=news.brand_id,
                appid=news.namespace,
                openid=news.text("FromUserName"),
                template_id=template_id,
                delivered=number(one, "ErrorCode") == 0,
            )


def revoked(row: Inbox) -> None:
    """For user_authorization_revoke, user_authorization_cancellation and user_info_modified. The user is named by
    OpenID, whatever FromUserName says. An openid we never met leaves nothing to erase.
    """
    news = told(row)
    openid = news.optional("OpenID") or news.optional("openid")
    if openid is None:
        raise CallbackIncomplete(field="OpenID")
    person_id = identity.person_of(Identity("openid", news.namespace, openid))
    if person_id is None:
        return
    emit(
        AuthorizationRevoked(
            brand_id=news.brand_id,
            person_id=person_id,
            appid=news.namespace,
            openid=openid,
            kind=row.kind.rpartition(".")[2],
            revoke_info=_numbers(row.payload.get("RevokeInfo")),
            at=int(news.at.timestamp()),
        )
    )


def _list(news: Told) -> list[dict[str, Any]]:
    found = news.row.payload.get("List")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _numbers(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [found for part in parts if isinstance(part, str) for found in re.findall(r"[0-9]+", part)]
