"""Asking WeCom and WeChat what something is now, after a callback said that it changed (see channels.refresh).

The read is dated at the whole second in which its call begins, as callbacks have no finer time: what happens later in
that second has its own callback, and what has ended in that second stays ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.channels import groups, refresh, tags
from app.channels.events import RefreshWanted
from app.channels.groups import Present
from app.channels.tags import LibraryGroup, LibraryTag
from app.core import clock
from app.core.errors import SiyuError
from app.core.work import Effect
from app.identity.errors import IdentityErased
from app.identity.rules import Identity
from app.org import queries as org
from app.org import staff
from app.wechat.errors import Rejected
from app.wechat.official import Subscriber
from app.wechat.wecom import Department, GroupChat, Staff, TagGroup

from . import accounts, fetch_contact, people


@dataclass(frozen=True)
class Request:
    brand_id: int
    corp_id: str
    kind: str
    key: str
    open_platform: str
    at: datetime


@dataclass(frozen=True)
class Topic:
    """How one kind is asked for, what is done with the answer, and which refusals (Rejected.reason) say it is gone."""

    ask: Callable[[Any, str], Any]
    put: Callable[[Request, Any], None]
    gone: Callable[[Request], None]
    refusals: frozenset[str]
    account: str = "wecom"


def _read(event: RefreshWanted) -> Request | None:
    account = org.account_by_namespace(_TOPICS[event.kind].account, event.corp_id)
    refresh.begin(corp_id=event.corp_id, kind=event.kind, key=event.key)
    if account is None:
        return None
    at = clock.now().replace(microsecond=0)
    return Request(account.brand_id, event.corp_id, event.kind, event.key, account.open_platform, at)


def _call(request: Request) -> Any:
    topic = _TOPICS[request.kind]
    gateway = accounts.wecom if topic.account == "wecom" else accounts.official
    return topic.ask(gateway(request.brand_id), request.key)


def _record(request: Request, answer: Any) -> None:
    topic = _TOPICS[request.kind]
    refresh.end(corp_id=request.corp_id, kind=request.kind, key=request.key)
    if not isinstance(answer, SiyuError):
        topic.put(request, answer)
    elif isinstance(answer, Rejected) and answer.reason in topic.refusals:
        topic.gone(request)
    elif not (isinstance(answer, Rejected) and answer.reason in _NOT_OURS):
        raise answer


# What the application may not see is not ours to keep: nothing is known, and nothing is forgotten.
_NOT_OURS = {"out_of_scope"}


def _put_contact(request: Request, answer: Any) -> None:
    fetch_contact.put(
        fetch_contact.Request(request.brand_id, request.corp_id, request.key, request.open_platform, request.at),
        answer,
    )


def _put_library(request: Request, answer: tuple[TagGroup, ...]) -> None:
    tags.put_library(
        brand_id=request.brand_id,
        corp_id=request.corp_id,
        groups=[
            LibraryGroup(
                group.id,
                group.name,
                group.order,
                tuple(LibraryTag(tag.id, tag.name, tag.order) for tag in group.tags if not tag.deleted),
            )
            for group in answer
            if not group.deleted
        ],
        at=request.at,
    )


def _put_chat(request: Request, answer: GroupChat) -> None:
    groups.put_group_chat(
        brand_id=request.brand_id,
        corp_id=request.corp_id,
        chat_id=request.key,
        name=answer.name,
        owner=answer.owner or None,
        notice=answer.notice,
        created_at=answer.created_at,
        member_version=answer.member_version or None,
        members=[Present(one.userid, one.type, one.joined_at, one.join_scene, one.state) for one in answer.members],
        at=request.at,
    )


def _put_staff(request: Request, answer: Staff) -> None:
    staff.put_staff(
        brand_id=request.brand_id,
        corp_id=request.corp_id,
        userid=answer.userid,
        name=answer.name,
        status=answer.status,
        departments=answer.departments,
        main_department=answer.main_department,
        leader_of=answer.leader_of,
        at=request.at,
    )


def _put_departments(request: Request, answer: tuple[Department, ...]) -> None:
    for one in sorted(answer, key=lambda department: department.id):
        staff.put_department(
            brand_id=request.brand_id,
            corp_id=request.corp_id,
            department_id=one.id,
            parent_id=one.parent_id or None,
            name=one.name,
            sort=one.order,
            at=request.at,
        )
    staff.drop_departments(
        brand_id=request.brand_id, corp_id=request.corp_id, but={one.id for one in answer}, at=request.at
    )


def _put_official_user(request: Request, answer: Subscriber) -> None:
    # Whether they follow is told by callbacks, with its moment; a read only adds who they are.
    if answer.unionid is None or not request.open_platform:
        return
    ids = [
        Identity("openid", request.corp_id, request.key),
        Identity("unionid", request.open_platform, answer.unionid),
    ]
    try:
        people.link(brand_id=request.brand_id, ids=ids, source="official.user", passive=True)
    except IdentityErased:
        return


def _nothing(request: Request) -> None:
    """The callback that says so is on its way, and knows when and why: who is unknown may have left or be renamed."""


_TOPICS = {
    "contact": Topic(fetch_contact.ask, _put_contact, _nothing, fetch_contact.GONE),
    "tag_library": Topic(lambda gateway, _: gateway.corp_tags(), _put_library, _nothing, frozenset()),
    "group_chat": Topic(
        lambda gateway, key: gateway.group_chat(key), _put_chat, _nothing, frozenset({"chat_dismissed", "chat_unknown"})
    ),
    "staff": Topic(lambda gateway, key: gateway.user(key), _put_staff, _nothing, frozenset({"user_unknown"})),
    "official_user": Topic(
        lambda gateway, key: gateway.subscriber(key),
        _put_official_user,
        _nothing,
        frozenset({"openid_unknown"}),
        account="official",
    ),
    "departments": Topic(lambda gateway, _: gateway.departments(), _put_departments, _nothing, frozenset()),
}

REFRESH = Effect(read=_read, call=_call, record=_record)
