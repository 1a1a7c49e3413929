"""A customer group changed (WeCom docs, path/92130)."""

from __future__ import annotations

from app.channels import groups, refresh
from app.core.inbox import Inbox

from .told import Told, told


def changed(row: Inbox) -> None:
    """For create and update. Members who left are told with the group's versions around it; where ours is the one
    before, nothing was missed and the group need not be read. Everything else is asked.
    """
    news = told(row)
    if news.optional("UpdateDetail") == "del_member" and _left(news):
        return
    refresh.want(brand_id=news.brand_id, corp_id=news.namespace, kind="group_chat", key=news.text("ChatId"))


def _left(news: Told) -> bool:
    keys = [one for one in news.row.payload.get("MemChangeList") or [] if isinstance(one, str) and one]
    if not keys:
        return False  # an older form, which does not say who
    return groups.leave_group_chat(
        brand_id=news.brand_id,
        corp_id=news.namespace,
        chat_id=news.text("ChatId"),
        member_keys=keys,
        quit_scene=news.number("QuitScene") or 0,
        at=news.at,
        before=news.optional("LastMemVer"),
        after=news.optional("CurMemVer"),
    )


def dismissed(row: Inbox) -> None:
    """For dismiss; a dismissed group cannot be asked about."""
    news = told(row)
    groups.dismiss_group_chat(brand_id=news.brand_id, corp_id=news.namespace, chat_id=news.text("ChatId"), at=news.at)
