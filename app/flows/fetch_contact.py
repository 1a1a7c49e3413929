"""Asking WeCom who a customer is: name and picture for the guide, and the unionid that joins the mini-program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from app.channels import commands as channels
from app.channels import queries, refresh
from app.channels.events import ContactFetched, CustomerAdded
from app.core import clock
from app.core.errors import SiyuError
from app.core.inbox import Inbox
from app.core.outbox import emit
from app.core.work import Effect
from app.identity.errors import IdentityErased
from app.identity.rules import Identity
from app.org import queries as org
from app.wechat.errors import Rejected
from app.wechat.wecom import Contact, Follow, WeCom

from . import accounts, people
from .relation import relation

GONE = frozenset({"relation_gone", "contact_unknown", "not_the_follower"})  # refusals: nobody follows the customer


@dataclass(frozen=True)
class Request:
    """`at`: when the call began; what is newer than that is not overwritten."""

    brand_id: int
    corp_id: str
    external_userid: str
    open_platform: str
    at: datetime


def _after_adding(event: CustomerAdded) -> Request | None:
    account = org.account_by_namespace("wecom", event.corp_id)
    if not event.new or account is None:
        return None
    at = clock.now().replace(microsecond=0)
    return Request(event.brand_id, event.corp_id, event.external_userid, account.open_platform, at)


def edited(row: Inbox) -> None:
    """For edit_external_contact, which does not say what changed: the customer is asked, once for a burst of edits."""
    told = relation(row)
    refresh.want(brand_id=told.brand_id, corp_id=told.corp_id, kind="contact", key=told.external_userid)


def ask(gateway: WeCom, external_userid: str) -> Contact:
    """The customer with everybody who follows them; over 500 followers come in pages."""
    contact = gateway.contact(external_userid)
    follows, cursor = list(contact.follows), contact.next_cursor
    while cursor is not None:
        page = gateway.contact(external_userid, cursor=cursor)
        follows += page.follows
        cursor = page.next_cursor
    return replace(contact, follows=tuple(follows), next_cursor=None)


def _call(request: Request) -> Contact:
    return ask(accounts.wecom(request.brand_id), request.external_userid)


def _record(request: Request, answer: Contact | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        if isinstance(answer, Rejected) and answer.reason in GONE:
            return  # the callback that says so is on its way
        raise answer
    put(request, answer)


def put(request: Request, answer: Contact) -> None:
    """Keep what WeCom says of a customer: name and picture, remarks and tags of each relation we know, the unionid."""
    ids = [Identity("external_userid", request.corp_id, request.external_userid)]
    if answer.unionid and request.open_platform:
        ids.append(Identity("unionid", request.open_platform, answer.unionid))
    try:
        linked = people.link(brand_id=request.brand_id, ids=ids, source="wecom.contact", passive=True)
    except IdentityErased:
        return
    channels.describe_contact(
        corp_id=request.corp_id,
        external_userid=request.external_userid,
        name=answer.name,
        avatar=answer.avatar,
        type=answer.type,
        gender=answer.gender,
        at=request.at,
    )
    for follow in answer.follows:
        _note(request, follow, linked.person_id)
        channels.describe_follow(
            corp_id=request.corp_id,
            userid=follow.userid,
            external_userid=request.external_userid,
            at=request.at,
            since=follow.created_at,
            tag_ids=follow.tag_ids,
            remark=follow.remark,
            add_way=follow.add_way,
            state=follow.state,
        )
    people.adopt(brand_id=request.brand_id, person_id=linked.person_id)
    emit(
        ContactFetched(
            brand_id=request.brand_id,
            person_id=linked.person_id,
            corp_id=request.corp_id,
            external_userid=request.external_userid,
        )
    )


def _note(request: Request, follow: Follow, person_id: int) -> None:
    """A relation that WeCom shows and nobody told us of: noted, so that what was read of it is not lost."""
    if queries.follow(request.corp_id, follow.userid, request.external_userid) is not None:
        return
    guide = org.guide_by_userid(request.corp_id, follow.userid)
    channels.record_follow(
        corp_id=request.corp_id,
        userid=follow.userid,
        external_userid=request.external_userid,
        brand_id=request.brand_id,
        guide_id=guide.id if guide is not None and guide.brand_id == request.brand_id else None,
        person_id=person_id,
        at=follow.created_at or request.at,
        told=False,
    )


AFTER_ADDING = Effect(read=_after_adding, call=_call, record=_record)
