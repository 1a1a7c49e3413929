"""The brand's segments: whom a push, a rule's tag or a scheduled SOP reaches."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.core import audit, clock, ids
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.segments import commands, queries

from . import scope
from .blueprint import api


class SegmentIn(Schema):
    name = fields.String(required=True, validate=Length(1, 60))
    rule = fields.Dict(required=True, metadata={"description": "A segment's rule: all, any, not, and conditions."})


class SegmentOut(Schema):
    id = PublicId("seg", attribute="segment_id")
    name = fields.String()
    rule = fields.Dict()


class SavedSegmentOut(Schema):
    id = PublicId("seg", attribute="segment_id")
    members = fields.Integer(metadata={"description": "Active members the rule is true for now."})


class SegmentsOut(Page):
    items = fields.List(fields.Nested(SegmentOut))


@api.get("/segments")
@api.output(SegmentsOut)
@api.doc(summary="The brand's segments", security="AdminToken", responses=[401, 403])
def segments() -> dict[str, Any]:
    return {"items": queries.segments(scope.current().brand_id), "next_cursor": None}


@api.post("/segments")
@api.input(SegmentIn, arg_name="given")
@api.output(SavedSegmentOut)
@api.doc(summary="Save a segment", security="AdminToken", responses=[401, 403, 422])
def save_segment(given: dict[str, Any]) -> dict[str, Any]:
    """A segment of this name is replaced. What was begun with it goes on with whom it had then."""
    me = scope.current()
    with transaction():
        segment_id = commands.save_segment(brand_id=me.brand_id, name=given["name"], rule=given["rule"])
        audit.record(actor=me.actor, action="segment.save", subject=ids.encode("seg", segment_id), name=given["name"])
        members = queries.count(brand_id=me.brand_id, rule=given["rule"], as_of=clock.now())
    return {"segment_id": segment_id, "members": members}
