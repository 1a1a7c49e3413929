"""Telling WeCom what was asked of a channel code: create, change or delete the contact way or link behind it.

A creation is not repeatable, and one whose id were lost could never be changed or deleted. So it is reserved in the
code's row first, and a try whose outcome nobody knows (worker killed, answer lost) is followed by a search for the
code's state among what WeCom has made since; only what is not there is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.channels.codes import commands, queries, rules
from app.channels.codes.commands import Begun
from app.channels.codes.events import CodeChanged
from app.channels.codes.models import ChannelCode
from app.core import clock
from app.core.errors import SiyuError
from app.core.slots import Slot
from app.core.work import Effect
from app.wechat.errors import MessageInvalid, Rejected, Unavailable, UnknownOutcome
from app.wechat.wecom import AcquisitionLink, ContactWay, WeCom

from . import accounts

CLOCKS_APART = timedelta(minutes=10)  # how far WeCom's clock may be from ours
LOOK_BACK = timedelta(days=89)  # WeCom lists contact ways of 90 days
_LOST_ANSWER_SECONDS = 60  # by then a call on its way has arrived or never will


@dataclass(frozen=True)
class Request:
    """`known`: ids that belong to codes of ours already, so that a search asks for the others only."""

    begun: Begun
    known: frozenset[str]

    @property
    def code(self) -> ChannelCode:
        return self.begun.code


@dataclass(frozen=True)
class Made:
    config_id: str
    qr_code: str


def _read(event: CodeChanged) -> Request | None:
    begun = commands.begin(event.code_id)
    if begun is None:
        return None
    searches = begun.again and begun.code.config_id is None
    return Request(begun, queries.known_config_ids() if searches else frozenset())


def _call(request: Request) -> Made | None:
    gateway, code = accounts.wecom(request.code.brand_id), request.code
    match request.begun.action:
        case "create":
            found = _found(gateway, request) if request.begun.again else None
            if found is None:
                return _create(gateway, code)
            _update(gateway, code, found.config_id)  # what was asked for may have changed since
            return found
        case "update":
            assert code.config_id is not None
            _update(gateway, code, code.config_id)
        case "delete":
            config_id = code.config_id
            if config_id is None and (found := _found(gateway, request)):
                config_id = found.config_id
            if config_id is not None:
                _delete(gateway, code, config_id)
    return None


def _record(request: Request, answer: Made | SiyuError | None) -> None:
    if isinstance(answer, UnknownOutcome):
        # The reservation stays: after a while the work comes back and looks for the code first.
        raise Unavailable(answer.message, retry_after=_LOST_ANSWER_SECONDS)
    if isinstance(answer, Rejected | MessageInvalid):
        reason = answer.reason if isinstance(answer, Rejected) else answer.code
        gone = reason == "contact_way_unknown"
        if request.begun.action == "delete" and gone:
            commands.settle(request.begun)
        else:
            commands.refuse(request.begun, reason, gone=gone)
    elif isinstance(answer, SiyuError):
        raise answer
    elif answer is None:
        commands.settle(request.begun)
    else:
        commands.settle(request.begun, config_id=answer.config_id, qr_code=answer.qr_code)


def _release(request: Request) -> None:
    commands.release(request.begun)


TELL = Effect(read=_read, call=_call, record=_record, release=_release)


def tend(_: Slot) -> None:
    """Slot channels.codes: retire codes whose time is over; bring changes to WeCom that never arrived there."""
    commands.retire_expired()
    commands.ask_again()


def _create(gateway: WeCom, code: ChannelCode) -> Made:
    if code.kind == "link":
        link = gateway.create_link(name=_link_name(code), users=code.users, skip_verify=code.skip_verify)
        return _made(link, code)
    way = gateway.add_contact_way(
        users=code.users, state=code.state, remark=rules.remark_of(code.name), skip_verify=code.skip_verify
    )
    return _made(way, code)


def _update(gateway: WeCom, code: ChannelCode, config_id: str) -> None:
    if code.kind == "link":
        gateway.update_link(config_id, name=_link_name(code), users=code.users, skip_verify=code.skip_verify)
    else:
        gateway.update_contact_way(
            config_id,
            users=code.users,
            state=code.state,
            remark=rules.remark_of(code.name),
            skip_verify=code.skip_verify,
        )


def _delete(gateway: WeCom, code: ChannelCode, config_id: str) -> None:
    if code.kind == "link":
        gateway.delete_link(config_id)
    else:
        gateway.delete_contact_way(config_id)


def _found(gateway: WeCom, request: Request) -> Made | None:
    """What an earlier try made at WeCom; should two tries have made one each, the second is deleted."""
    found = _links(gateway, request) if request.code.kind == "link" else _ways(gateway, request)
    for spare in found[1:]:
        _delete(gateway, request.code, spare.config_id)
    return found[0] if found else None


def _ways(gateway: WeCom, request: Request) -> list[Made]:
    code, now = request.code, clock.now()
    since = max((code.reserved_at or now) - CLOCKS_APART, now - LOOK_BACK)
    found, cursor = [], ""
    while True:
        page = gateway.contact_way_ids(since=since, cursor=cursor)
        for config_id in page.ids:
            if config_id in request.known:
                continue
            way = _one(gateway, config_id)
            if way is not None and way.state == code.state:
                found.append(_made(way, code))
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def _one(gateway: WeCom, config_id: str) -> ContactWay | None:
    try:
        return gateway.contact_way(config_id)
    except Rejected as error:
        if error.reason == "contact_way_unknown":  # deleted since it was listed
            return None
        raise


def _links(gateway: WeCom, request: Request) -> list[Made]:
    found, cursor = [], ""
    while True:
        page = gateway.link_ids(cursor=cursor)
        for link_id in page.ids:
            if link_id not in request.known:
                link = gateway.link(link_id)
                if link.name.startswith(f"{request.code.state} "):
                    found.append(_made(link, request.code))
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def _link_name(code: ChannelCode) -> str:
    """The state leads the name: WeCom keeps no state of a link, and by it a lost one is found."""
    return rules.remark_of(f"{code.state} {code.name}")


def _made(outside: ContactWay | AcquisitionLink, code: ChannelCode) -> Made:
    if isinstance(outside, AcquisitionLink):
        return Made(outside.link_id, outside.with_channel(code.state))
    return Made(outside.config_id, outside.qr_code)
