"""The address book changed (WeCom docs, path/90970): somebody came, left, moved or got another userid.

Which fields come depends on who may see them, so they are not believed: the entry is asked. Only an end and another
userid are told by the callback alone.
"""

from __future__ import annotations

from app.channels import commands as channels
from app.channels import groups, refresh
from app.channels.codes import arrivals
from app.core.inbox import Inbox
from app.org import queries as org
from app.org import staff

from .told import Told, told

LEFT = "5"


def changed(row: Inbox) -> None:
    """For create_user and update_user; `NewUserID`: the userid itself became another."""
    news = told(row)
    userid, new = news.text("UserID"), news.optional("NewUserID")
    if new is not None and new != userid:
        present = staff.rename_staff(
            brand_id=news.brand_id, corp_id=news.namespace, userid=userid, new_userid=new, at=news.at
        )
        if present is not None:  # what is theirs goes along at once, as the next callback speaks of the new userid
            guide = org.guide_by_userid(news.namespace, present)
            channels.rename_follows(
                corp_id=news.namespace,
                userid=userid,
                new_userid=present,
                guide_id=guide.id if guide else None,
                at=news.at,
            )
            arrivals.rename(corp_id=news.namespace, userid=userid, new_userid=present)
            groups.rename_member(corp_id=news.namespace, userid=userid, new_userid=present)
        userid = new
    userid = staff.userid_now(news.namespace, userid, news.at)
    if news.optional("Status") == LEFT:
        _gone(news, userid)
    refresh.want(brand_id=news.brand_id, corp_id=news.namespace, kind="staff", key=userid)


def left(row: Inbox) -> None:
    """For delete_user."""
    news = told(row)
    _gone(news, staff.userid_now(news.namespace, news.text("UserID"), news.at))


def _gone(news: Told, userid: str) -> None:
    staff.drop_staff(brand_id=news.brand_id, corp_id=news.namespace, userid=userid, at=news.at)


def departments_changed(row: Inbox) -> None:
    """For create_party and update_party."""
    news = told(row)
    refresh.want(brand_id=news.brand_id, corp_id=news.namespace, kind="departments")


def department_left(row: Inbox) -> None:
    """For delete_party."""
    news = told(row)
    department_id = news.number("Id")
    if department_id is not None:
        staff.drop_department(brand_id=news.brand_id, corp_id=news.namespace, department_id=department_id, at=news.at)
