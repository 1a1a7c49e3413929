"""The official account: who follows it, who left, who is there (developers.weixin.qq.com, 公众号, 接收事件推送)."""

from __future__ import annotations

from app.channels import followers, refresh
from app.core.inbox import Inbox
from app.identity.errors import IdentityErased
from app.identity.rules import Identity

from .. import people
from .told import Told, told

_QR = "qrscene_"
MESSAGES = ("text", "image", "voice", "video", "shortvideo", "location", "link")
ACTIVE = ("scan", "click", "view", "view_miniprogram", "location", *(f"message.{kind}" for kind in MESSAGES))


def followed(row: Inbox) -> None:
    """For subscribe; by a QR code its EventKey is `qrscene_` and the code's parameter. The unionid, by which we know
    the follower, is asked.
    """
    news = told(row)
    person_id = _person(news)
    if person_id is None:
        return
    key = news.optional("EventKey") or ""
    scene = key.removeprefix(_QR) if key.startswith(_QR) else None
    followers.put_official_follow(
        brand_id=news.brand_id,
        appid=news.namespace,
        openid=news.text("FromUserName"),
        person_id=person_id,
        subscribed=True,
        at=news.at,
        scene=scene or None,
    )
    refresh.want(brand_id=news.brand_id, corp_id=news.namespace, kind="official_user", key=news.text("FromUserName"))


def left(row: Inbox) -> None:
    """For unsubscribe."""
    news = told(row)
    person_id = _person(news)
    if person_id is not None:
        followers.put_official_follow(
            brand_id=news.brand_id,
            appid=news.namespace,
            openid=news.text("FromUserName"),
            person_id=person_id,
            subscribed=False,
            at=news.at,
        )


def active(row: Inbox) -> None:
    """For ACTIVE, scans, clicks and messages: only a follower can do these."""
    news = told(row)
    person_id = _person(news)
    if person_id is not None:
        followers.note_activity(
            brand_id=news.brand_id,
            appid=news.namespace,
            openid=news.text("FromUserName"),
            person_id=person_id,
            at=news.at,
        )


def _person(news: Told) -> int | None:
    """Whose openid it is; None for a person whose data was erased."""
    try:
        return people.link(
            brand_id=news.brand_id,
            ids=[Identity("openid", news.namespace, news.text("FromUserName"))],
            source="official.event",
            passive=True,
        ).person_id
    except IdentityErased:
        return None
