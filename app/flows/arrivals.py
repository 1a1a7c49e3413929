"""By which channel code somebody came, and where that leads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.channels import queries as channels
from app.channels.codes import arrivals, queries, rules
from app.channels.events import CustomerAdded, CustomerLost, OfficialFollowed
from app.core import clock
from app.core.errors import SiyuError
from app.core.work import Effect
from app.members import commands as members
from app.members import queries as member_queries
from app.org import queries as org
from app.org import staff
from app.wechat.errors import Rejected

from . import accounts

LEADS_FOR = timedelta(days=30)  # how long after an arrival a new member still counts as led by it


def on_added(event: CustomerAdded) -> None:
    """A customer added a member of staff: note by which code. A half-added contact counted when it came; an addition
    that was heard of before the end of the one before counts, too.
    """
    code = queries.by_state(event.state) if event.state else None
    if code is None or code.brand_id != event.brand_id or event.person_id is None:
        return
    at = datetime.fromtimestamp(event.at, UTC)
    userid = staff.userid_now(event.corp_id, event.userid, at)
    if not event.new and queries.stands(userid=userid, external_userid=event.external_userid):
        return
    follow = channels.follow(event.corp_id, userid, event.external_userid)
    if follow is None:
        return  # forgotten meanwhile, at the customer's wish
    over = follow.status != "active" and follow.changed_at >= at  # the end was heard of before
    arrivals.arrive(
        code=code,
        person_id=event.person_id,
        at=at,
        userid=userid,
        external_userid=event.external_userid,
        store_id=event.store_id,
        guide_id=event.guide_id,
        lost_at=follow.changed_at if over else None,
    )


def on_lost(event: CustomerLost) -> None:
    """A relation ended; a customer who was handed to another guide is not lost."""
    if not event.transferred:
        at = datetime.fromtimestamp(event.at, UTC)
        userid = staff.userid_now(event.corp_id, event.userid, at)
        arrivals.note_lost(userid=userid, external_userid=event.external_userid, at=at)


def on_official_followed(event: OfficialFollowed) -> None:
    """A shopper followed the official account by a QR code whose parameter is a channel code's state."""
    if event.person_id is not None:
        at = datetime.fromtimestamp(event.at, UTC)
        opened(brand_id=event.brand_id, person_id=event.person_id, scene=event.scene, at=at)


def opened(*, brand_id: int, person_id: int, scene: str | None, at: datetime | None = None) -> None:
    """A shopper opened the mini-program or H5 page by a code. `scene` comes from the client: a wrong one is ignored."""
    code = queries.by_state(scene) if scene and rules.is_state(scene) else None
    if code is None or code.brand_id != brand_id:
        return
    arrivals.arrive(code=code, person_id=person_id, at=at or clock.now())
    settle(brand_id=brand_id, person_id=person_id)


def store_of(*, brand_id: int, person_id: int) -> int | None:
    """The store whose code brought a person lately: the home store of a new member nobody else knows."""
    place = queries.place(person_id, brand_id=brand_id, since=clock.now() - LEADS_FOR)
    return None if place is None else place.store_id


def settle(*, brand_id: int, person_id: int) -> None:
    """Give a member without guide or home store those of the code they came by lately. Adding a guide goes before."""
    member = member_queries.member_of(brand_id, person_id)
    if member is None or (member.guide_id is not None and member.home_store_id is not None):
        return
    place = queries.place(person_id, brand_id=brand_id, since=clock.now() - LEADS_FOR)
    if place is None:
        return
    held = members.hold(brand_id=brand_id, member_id=member.member_id)
    guide = org.guide(place.guide_id) if place.guide_id is not None else None
    if held is not None and held.guide_id is None and guide is not None and guide.status == "active":
        members.assign_guide(
            brand_id=brand_id,
            member_id=held.member_id,
            guide_id=guide.id,
            store_id=place.store_id or guide.store_id,
            reason="code",
        )
    elif place.store_id is not None:
        members.join(brand_id=brand_id, person_id=person_id, source="code", store_id=place.store_id)


@dataclass(frozen=True)
class Tagging:
    brand_id: int
    userid: str
    external_userid: str
    tag_ids: tuple[str, ...]


def _tags_to_put(event: CustomerAdded) -> Tagging | None:
    code = queries.by_state(event.state) if event.state else None
    if not event.new or code is None or code.brand_id != event.brand_id or not code.tag_ids:
        return None
    return Tagging(event.brand_id, event.userid, event.external_userid, tuple(code.tag_ids))


def _put(tagging: Tagging) -> None:
    gateway = accounts.wecom(tagging.brand_id)
    gateway.mark_tag(userid=tagging.userid, external_userid=tagging.external_userid, add=tagging.tag_ids)


def _tagged(tagging: Tagging, answer: SiyuError | None) -> None:
    """A relation that ended meanwhile and a tag that was deleted need nobody; another refusal is laid aside."""
    if isinstance(answer, Rejected) and answer.reason in ("relation_gone", "tag_unknown", "contact_unknown"):
        return
    if answer is not None:
        raise answer


# Setting a tag that is set already changes nothing, so the call may be repeated whenever its outcome is unknown.
TAG = Effect(read=_tags_to_put, call=_put, record=_tagged)
