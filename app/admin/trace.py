"""The journey of one customer, for headquarters: the same as `flask trace` prints."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core import audit, ids
from app.core.fields import PublicId
from app.core.transaction import transaction
from app.flows.trace import Journey
from app.flows.trace import trace as follow

from . import scope
from .blueprint import api


class StepOut(Schema):
    """`seconds`: from the row's birth to the end of its handling."""

    at = fields.AwareDateTime()
    table = fields.String()
    what = fields.String()
    facts = fields.Dict()
    correlation_id = fields.String()
    seconds = fields.Float(allow_none=True)


class TraceOut(Schema):
    """`shared_correlation_ids` belong to work for many customers; only this one's rows of it are among the steps."""

    person = PublicId("prs", allow_none=True)
    members = fields.List(PublicId("mbr"))
    correlation_ids = fields.List(fields.String())
    shared_correlation_ids = fields.List(fields.String())
    steps = fields.List(fields.Nested(StepOut))
    cut = fields.Boolean()


@api.get("/trace/<start>")
@api.output(TraceOut)
@api.doc(
    summary="Everything one customer's callbacks and requests caused", security="AdminToken", responses=[401, 403, 404]
)
def trace(start: str) -> dict[str, Any]:
    """`start` is a correlation id, a member's public id or number, or a person's public id. Audited."""
    journey = traced(start)
    return {
        "person": journey.person_ids[0] if journey.person_ids else None,
        "members": [member_id for _, member_id in journey.members],
        "correlation_ids": sorted(journey.correlations),
        "shared_correlation_ids": sorted(journey.shared),
        "steps": journey.steps,
        "cut": journey.cut,
    }


def traced(start: str) -> Journey:
    """The journey as far as the caller's brand goes, of all brands for users of the group; NotFound otherwise."""
    me = scope.current()
    with transaction():
        journey = follow(start, brand_id=None if me.group else me.brand_id)
        subject = ids.encode("prs", journey.person_ids[0]) if journey.person_ids else start
        audit.record(actor=me.actor, action="trace.viewed", subject=subject)
    return journey
