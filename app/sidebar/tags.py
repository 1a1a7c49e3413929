"""Tags of the customer beside the chat: the guide sees the brand's tags, puts them on and takes them off."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.core import audit, ids
from app.core.fields import PublicId
from app.core.transaction import transaction
from app.members.models import Member
from app.segments import commands, queries

from . import auth
from .blueprint import api
from .coupons import NotAMember
from .customer import followed

MOST = 20


class TagOut(Schema):
    id = PublicId("tag", attribute="tag_id")
    group = fields.String(attribute="group_name")
    name = fields.String()
    held = fields.Boolean()


class TagsOut(Schema):
    items = fields.List(fields.Nested(TagOut))


class ChangeIn(Schema):
    """Ids of tags to put on and to take off."""

    put = fields.List(fields.String(validate=Length(1, 40)), load_default=list, validate=Length(max=MOST))
    off = fields.List(fields.String(validate=Length(1, 40)), load_default=list, validate=Length(max=MOST))


@api.get("/customers/<external_userid>/tags")
@api.output(TagsOut)
@api.doc(summary="The brand's tags, and which the customer has", security=auth.SECURITY, responses=[401, 404, 409])
def customer_tags(external_userid: str) -> dict[str, Any]:
    return {"items": _tags(_member(auth.guide(), external_userid))}


@api.post("/customers/<external_userid>/tags")
@api.input(ChangeIn, arg_name="given")
@api.output(TagsOut)
@api.doc(summary="Put tags on the customer, take tags off", security=auth.SECURITY, responses=[401, 404, 409])
def tag_customer(external_userid: str, given: dict[str, list[str]]) -> dict[str, Any]:
    """What a guide says holds as what any person says: a rule does not undo it. WeCom's tags follow."""
    guide = auth.guide()
    member = _member(guide, external_userid)
    actor = ids.encode("gde", guide.guide_id)
    said: dict[str, Any] = {
        "brand_id": member.brand_id,
        "member_id": member.member_id,
        "source": "manual",
        "said_by": actor,
    }
    with transaction():
        changed = commands.put(tag_ids=_ids(given["put"]), **said)
        changed += commands.take_off(tag_ids=_ids(given["off"]), **said)
        if changed:
            subject, tags = ids.encode("mbr", member.member_id), [ids.encode("tag", tag_id) for tag_id in changed]
            audit.record(actor=actor, action="members.tags_changed", subject=subject, tags=tags)
    return {"items": _tags(member)}


def _member(guide: auth.GuideSession, external_userid: str) -> Member:
    member = followed(guide, external_userid).member
    if member is None or member.status != "active":
        raise NotAMember()
    return member


def _tags(member: Member) -> list[dict[str, Any]]:
    held = {tag.tag_id for tag in queries.tags_of(member.brand_id, member.member_id)}
    return [
        {"tag_id": tag.tag_id, "group_name": tag.group_name, "name": tag.name, "held": tag.tag_id in held}
        for tag in queries.tags(member.brand_id)
    ]


def _ids(given: list[str]) -> list[int]:
    return sorted({ids.decode("tag", one) for one in given})
