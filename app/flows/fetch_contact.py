"""Asking WeCom who a customer is: name and picture for the guide, and the unionid that joins the mini-program."""

from __future__ import annotations

from dataclasses import dataclass

from app.channels import commands as channels
from app.channels.events import ContactFetched, CustomerAdded
from app.core.errors import SiyuError
from app.core.inbox import Inbox
from app.core.outbox import emit
from app.core.work import Effect
from app.identity.errors import IdentityErased
from app.identity.rules import Identity
from app.org import queries as org
from app.wechat.errors import Rejected
from app.wechat.wecom import Contact

from . import accounts, people
from .relation import relation

_GONE = {"relation_gone", "contact_unknown", "not_the_follower"}


@dataclass(frozen=True)
class Request:
    brand_id: int
    corp_id: str
    external_userid: str
    open_platform: str


def _after_adding(event: CustomerAdded) -> Request | None:
    account = org.account_by_namespace("wecom", event.corp_id)
    if not event.new or account is None:
        return None
    return Request(event.brand_id, event.corp_id, event.external_userid, account.open_platform)


def _after_edit(row: Inbox) -> Request:
    told = relation(row)
    return Request(told.brand_id, told.corp_id, told.external_userid, told.account.open_platform)


def _call(request: Request) -> Contact:
    return accounts.wecom(request.brand_id).contact(request.external_userid)


def _record(request: Request, answer: Contact | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        if isinstance(answer, Rejected) and answer.reason in _GONE:
            return  # nobody follows the customer any more; the callback that says so is on its way
        raise answer
    ids = [Identity("external_userid", request.corp_id, request.external_userid)]
    if answer.unionid and request.open_platform:
        ids.append(Identity("unionid", request.open_platform, answer.unionid))
    try:
        linked = people.link(brand_id=request.brand_id, ids=ids, source="wecom.contact", passive=True)
    except IdentityErased:
        return  # WeCom still knows them, and we do not want to
    channels.describe_contact(
        corp_id=request.corp_id,
        external_userid=request.external_userid,
        name=answer.name,
        avatar=answer.avatar,
        type=answer.type,
        gender=answer.gender,
    )
    for follow in answer.follows:
        channels.describe_follow(
            corp_id=request.corp_id,
            userid=follow.userid,
            external_userid=request.external_userid,
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


AFTER_ADDING = Effect(read=_after_adding, call=_call, record=_record)
AFTER_EDIT = Effect(read=_after_edit, call=_call, record=_record)
