"""The corp's tag library changed (WeCom docs, path/92130, 92117).

Strategy tags (`StrategyId`) are another library, which belongs to no corp as a whole; they are passed over.
"""

from __future__ import annotations

from app.channels import refresh, tags
from app.core.inbox import Inbox

from .told import told


def changed(row: Inbox) -> None:
    """For create, update and shuffle: the library is read again."""
    news = told(row)
    if news.optional("StrategyId") is None:
        refresh.want(brand_id=news.brand_id, corp_id=news.namespace, kind="tag_library")


def deleted(row: Inbox) -> None:
    """For delete, of a tag or of a group, whose tags go without a word of their own.

    The library is read as well: a read that began before the deletion may be about to bring the tag in.
    """
    news = told(row)
    if news.optional("StrategyId") is not None:
        return
    brand_id, corp_id, gone = news.brand_id, news.namespace, news.text("Id")
    if news.optional("TagType") == "tag_group":
        tags.drop_tag_group(brand_id=brand_id, corp_id=corp_id, group_id=gone, at=news.at)
    else:
        tags.drop_tag(brand_id=brand_id, corp_id=corp_id, tag_id=gone, at=news.at)
    refresh.want(brand_id=brand_id, corp_id=corp_id, kind="tag_library")
