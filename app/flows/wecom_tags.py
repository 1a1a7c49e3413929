"""Tags in both directions: what guides set in WeCom becomes a member's tag, and a member's tag is set in WeCom.

Outwards a pair of guide and customer is compared with what its member should bear whenever a tag of the member changes,
and the difference is written. A pair is written by one worker at a time (WeCom answers 45035 otherwise). What we wrote
is noted as WeCom's state at once, so that the callback it causes finds nothing new; and if the callback is faster, what
it says stands already, which `segments.tagging` takes for no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.channels import commands as channels
from app.channels import queries as channel_queries
from app.channels import tags as wecom_state
from app.channels.events import CorpTagsDropped, FollowTagsChanged
from app.core import clock, outbox
from app.core.errors import Busy, SiyuError
from app.core.work import Effect
from app.identity.events import Merged as PersonMerged
from app.members import queries as members
from app.members.events import Joined, Merged
from app.members.models import Member
from app.org import queries as org
from app.segments import commands as segments
from app.segments import queries as segment_queries
from app.segments.events import TagsChanged, TagWriteDue
from app.wechat.errors import Rejected

from . import accounts

KIND = "wecom.tags"
# A worker that was killed between claim and record is believed dead after this long; marking twice is harmless.
ABANDONED = timedelta(minutes=2)
_NOT_A_PAIR = {"relation_gone", "contact_unknown", "not_the_follower"}


@dataclass(frozen=True)
class Request:
    brand_id: int
    corp_id: str
    userid: str
    external_userid: str
    add: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def key(self) -> str:
        return _key(self.corp_id, self.userid, self.external_userid)


# Inwards


def on_follow_tags(event: FollowTagsChanged) -> None:
    """A guide's tags of a customer changed: the member bears what any guide gave, and no more what nobody gives."""
    follow = channel_queries.follow(event.corp_id, event.userid, event.external_userid)
    if follow is None or follow.status == "deleted":
        return  # with the relation its tags went; that is no word on the member
    member = members.member_of(event.brand_id, follow.person_id)
    if member is None:
        return  # they are collected when the customer becomes a member
    borne = channel_queries.tags_borne(event.brand_id, member.person_id)
    known = segment_queries.by_corp_tag(event.brand_id, event.removed)
    said: dict[str, Any] = {
        "brand_id": event.brand_id,
        "member_id": member.member_id,
        "source": "wecom",
        "said_by": event.userid,
        "at": follow.read_at or clock.now(),
        "external_userid": event.external_userid,
    }
    given = [tag for tag in event.added if tag in borne]
    segments.put(tag_ids=adopted(event.brand_id, given), **said)
    gone = [known[tag] for tag in event.removed if tag in known and tag not in borne]
    segments.take_off(tag_ids=gone, **said)


def on_joined(event: Joined) -> None:
    """A new member bears what guides noted of the customer before."""
    member = members.living(event.brand_id, event.member_id or 0)
    if member is not None:
        _collect(member)


def on_person_merged(event: PersonMerged) -> None:
    """A customer of WeCom turned out to be somebody who is a member already: guides' notes come along."""
    for member in members.memberships(event.winner_id):
        _collect(member)


def _collect(member: Member) -> None:
    """Put on a member what guides noted of the customer, and have the guides see what the member bears."""
    if member.status != "active":
        return
    tag_ids = adopted(member.brand_id, sorted(channel_queries.tags_borne(member.brand_id, member.person_id)))
    segments.put(brand_id=member.brand_id, member_id=member.member_id, tag_ids=tag_ids, source="wecom", said_by="wecom")
    _compare(member.brand_id, [member.member_id])


def on_dropped(event: CorpTagsDropped) -> None:
    """Tags left WeCom's library: tags that came from there are retired, others go on without it."""
    for tag_id in segment_queries.by_corp_tag(event.brand_id, event.tag_ids).values():
        segments.part_with_wecom(brand_id=event.brand_id, tag_id=tag_id)


def adopted(brand_id: int, corp_tag_ids: Sequence[str]) -> list[int]:
    """Our tags that are one with these of WeCom, made where there are none; retired ones and unknown ones are left out.

    What WeCom does not list belongs to a library this app may not see.
    """
    known = segment_queries.by_corp_tag(brand_id, corp_tag_ids)
    for corp_tag_id, group, name in channel_queries.corp_tags(brand_id, set(corp_tag_ids) - set(known)):
        known[corp_tag_id] = segments.adopt_tag(brand_id=brand_id, corp_tag_id=corp_tag_id, group_name=group, name=name)
    return segment_queries.in_use(brand_id, sorted(known.values()))


# Outwards


def on_tags_changed(event: TagsChanged) -> None:
    """Have every standing relation of the members compared, when a tag that WeCom knows is among what changed."""
    if segment_queries.any_in_wecom(event.brand_id, event.tags):
        _compare(event.brand_id, event.members)


def on_merged(event: Merged) -> None:
    """The guides of both members see the tags of the one."""
    _compare(event.brand_id, [event.member_id or 0])


def _compare(brand_id: int, member_ids: Sequence[int]) -> None:
    persons = members.persons_of(brand_id, member_ids)
    if not persons:
        return
    owners = {person: member for member, person in persons.items()}
    for follow, person_id in channel_queries.follows_of_persons(brand_id, sorted(owners)):
        outbox.emit(
            TagWriteDue(
                brand_id=brand_id,
                member_id=owners[person_id],
                corp_id=follow.corp_id,
                userid=follow.userid,
                external_userid=follow.external_userid,
            )
        )


def _read(event: TagWriteDue) -> Request | None:
    account = org.account(event.brand_id, "wecom")
    follow = channel_queries.follow(event.corp_id, event.userid, event.external_userid)
    if account is None or account.namespace != event.corp_id or follow is None or follow.status != "active":
        return None
    member = members.member_of(event.brand_id, follow.person_id)
    if member is None or member.status != "active":
        return None
    wanted = segment_queries.in_wecom(event.brand_id, member.member_id)
    borne = channel_queries.tags_of_follow(event.corp_id, event.userid, event.external_userid)
    request = Request(
        event.brand_id,
        event.corp_id,
        event.userid,
        event.external_userid,
        add=tuple(sorted(tag for tag, held in wanted.items() if held and tag not in borne)),
        remove=tuple(sorted(tag for tag, held in wanted.items() if not held and tag in borne)),
    )
    if not request.add and not request.remove:
        return None
    _reserve(request)
    return request


def _reserve(request: Request) -> None:
    if channels.reserve_outbound(KIND, request.key, request.brand_id):
        return
    held = channel_queries.outbound(KIND, request.key)
    if held is not None and held.reserved_at > clock.now() - ABANDONED:
        raise Busy("Another worker marks this customer.", retry_after=2)


def _call(request: Request) -> None:
    accounts.wecom(request.brand_id).mark_tag(
        userid=request.userid, external_userid=request.external_userid, add=request.add, remove=request.remove
    )


def _record(request: Request, answer: SiyuError | None) -> None:
    if isinstance(answer, SiyuError) and not (isinstance(answer, Rejected) and answer.reason in _NOT_A_PAIR):
        raise answer
    channels.release_outbound(KIND, request.key)
    if answer is None:
        wecom_state.note_marked(
            corp_id=request.corp_id,
            userid=request.userid,
            external_userid=request.external_userid,
            added=request.add,
            removed=request.remove,
        )


def _release(request: Request) -> None:
    channels.release_outbound(KIND, request.key)


def _key(*pair: str) -> str:
    return "/".join(pair)


WRITE = Effect(read=_read, call=_call, record=_record, release=_release)
