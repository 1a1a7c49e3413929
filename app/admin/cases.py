"""Who is whom: reviews to decide, merges to look at and take back."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf

from app.core import audit, ids, paging, transaction
from app.core.errors import Forbidden, NotFound
from app.core.fields import Page, PublicId
from app.dashboards.queries import cases as queries
from app.flows import reviews, split
from app.identity import commands as identity
from app.identity.models import IdentityReview, PersonMerge

from . import scope
from .blueprint import api
from .lists import PAGE, PageIn
from .members import seen


class GroupDecision(Forbidden):
    code, message = "group_decision", "This touches other brands of the group: a user of the group decides."


class ReviewsIn(PageIn):
    status = fields.String(load_default="open", validate=OneOf(queries.STATUSES))


class ReviewOut(Schema):
    """`reason` is differing_unionid, two_members, long_unseen, not_mine, split, ..: what keeps the two apart."""

    id = PublicId("rev")
    person_a = PublicId("prs")
    person_b = PublicId("prs")
    reason = fields.String()
    status = fields.String()
    created_at = fields.AwareDateTime()
    decided_by = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime(allow_none=True)
    decision = fields.String(allow_none=True)


class ReviewsOut(Page):
    items = fields.List(fields.Nested(ReviewOut))


class EvidenceOut(Schema):
    kind = fields.String()
    shown = fields.String(metadata={"description": "Masked."})
    strength = fields.String(metadata={"description": "proof, strong (vouched for by WeChat) or weak."})
    source = fields.String()
    linked_at = fields.AwareDateTime()


class SideOut(Schema):
    """One of the two, with what the brand has of them. `elsewhere`: a member of other brands of the group, too."""

    person = PublicId("prs", attribute="person_id")
    since = fields.AwareDateTime()
    evidence = fields.List(fields.Nested(EvidenceOut))
    elsewhere = fields.Boolean()
    member = PublicId("mbr", attribute="member_id", allow_none=True)
    number = fields.String()
    name = fields.String()
    phone = fields.String()
    card_no = fields.String(allow_none=True)
    status = fields.String()
    store = fields.String(attribute="store_name")
    guide = fields.String(attribute="guide_name")
    joined_at = fields.AwareDateTime(allow_none=True)
    points = fields.Integer()
    coupons = fields.Integer()
    orders = fields.Integer()
    paid_fen = fields.Integer()
    currency = fields.Constant("CNY")


class CaseOut(ReviewOut):
    source = fields.String()
    proof = fields.String(allow_none=True, metadata={"description": "proved, unproved, proof_failed or moved_often."})
    sides = fields.List(fields.Nested(SideOut))


class DecisionIn(Schema):
    same = fields.Boolean(required=True, metadata={"description": "Whether the two are one human."})
    reason = fields.String(required=True, validate=Length(2, 200))


class MergeOut(Schema):
    id = PublicId("mrg", attribute="merge_id")
    winner = PublicId("prs", attribute="winner_id")
    loser = PublicId("prs", attribute="loser_id")
    loser_number = fields.String(allow_none=True)
    reason = fields.String()
    merged_at = fields.AwareDateTime()
    revoked_at = fields.AwareDateTime(allow_none=True)
    revoked_by = fields.String(allow_none=True)


class MergesOut(Page):
    items = fields.List(fields.Nested(MergeOut))


class SplitIn(Schema):
    reason = fields.String(required=True, validate=Length(2, 200))


class SplitOut(Schema):
    """`done` is false when the merge had been taken back before."""

    winner = PublicId("prs", attribute="winner_id")
    loser = PublicId("prs", attribute="loser_id")
    done = fields.Boolean()


@api.get("/reviews")
@api.input(ReviewsIn, location="query", arg_name="asked")
@api.output(ReviewsOut)
@api.doc(summary="Persons who may be one", security="AdminToken", responses=[401, 403])
def identity_reviews(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    return listed(asked["status"], asked["cursor"], asked["limit"])


@api.get("/reviews/<review_id>")
@api.output(CaseOut)
@api.doc(summary="One review with both sides", security="AdminToken", responses=[401, 403, 404])
def identity_review(review_id: str) -> dict[str, Any]:
    """What each of the two is known by and what each has. The reading is written to the audit log."""
    return case(review_id)


@api.post("/reviews/<review_id>/decision")
@api.input(DecisionIn, arg_name="given")
@api.output(CaseOut)
@api.doc(summary="Decide a review", security="AdminToken", responses=[401, 403, 404, 409, 503])
def decide_review(review_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """The two become one (points, coupons, orders and all), or stay two whatever joins their ids later."""
    decided(review_id, given["same"], given["reason"])
    return case(review_id)


@api.get("/members/<member_id>/merges")
@api.output(MergesOut)
@api.doc(summary="The merges behind a member", security="AdminToken", responses=[401, 403, 404])
def member_merges(member_id: str) -> dict[str, Any]:
    return {"items": merges_behind(member_id), "next_cursor": None}


@api.post("/merges/<merge_id>/split")
@api.input(SplitIn, arg_name="given")
@api.output(SplitOut)
@api.doc(summary="Take a merge back", security="AdminToken", responses=[401, 403, 404, 503])
def split_merge(merge_id: str, given: dict[str, Any]) -> Any:
    """Everybody has again what they brought; what came since stays with the one that stayed. Again changes nothing."""
    return taken_back(merge_id, given["reason"])


def listed(status: str, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of reviews, for the API and the console alike."""
    lines = queries.reviews(scope.current().reach, status=status, after=paging.after(cursor), limit=limit + 1)
    shown, next_cursor = paging.page(lines, limit, lambda line: (line.created_at, line.id))
    return {"items": shown, "next_cursor": next_cursor}


def case(review_id: str) -> dict[str, Any]:
    """One review with both sides, for the API and the console alike."""
    review, me = _visible(review_id), scope.current()
    with transaction.transaction():
        audit.record(actor=me.actor, action="reviews.viewed", subject=ids.encode("rev", review.id))
    told = review.evidence
    return {
        **{column.name: getattr(review, column.name) for column in IdentityReview.__table__.columns},
        "source": told.get("source", ""),
        "proof": told.get("proof"),
        "sides": [queries.side(me.reach, one) for one in (review.person_a, review.person_b)],
    }


def decided(review_id: str, same: bool, reason: str) -> None:
    """Decide a review; GroupDecision when it would merge members of a brand that is not the reader's."""
    review, me = _visible(review_id), scope.current()
    _check_brands(review.person_a, review.person_b)

    def work() -> None:
        reviews.decide(review_id=review.id, same=same, by=me.actor, reason=reason)
        action = "reviews.merged" if same else "reviews.kept_apart"
        audit.record(actor=me.actor, action=action, subject=ids.encode("rev", review.id))

    transaction.run(work)


def merges_behind(member_id: str) -> list[queries.MergeLine]:
    """The merges behind a member the reader sees."""
    return queries.merges(scope.current().reach, seen(member_id).person_id)


def taken_back(merge_id: str, reason: str) -> identity.Split:
    """Split a merge; NotFound when nobody of the brand is among those it joined."""
    me = scope.current()
    record: PersonMerge | None = queries.merge(me.reach, ids.decode("mrg", merge_id))
    if record is None:
        raise NotFound()
    _check_brands(record.winner_id, record.loser_id)
    wanted = record.merge_id

    def work() -> identity.Split:
        done = split.split(merge_id=wanted, by=me.actor, reason=reason)
        audit.record(actor=me.actor, action="people.split", subject=ids.encode("mrg", wanted))
        return done

    return transaction.run(work)


def _visible(review_id: str) -> IdentityReview:
    review = queries.review(scope.current().reach, ids.decode("rev", review_id))
    if review is None:
        raise NotFound()
    return review


def _check_brands(*person_ids: int) -> None:
    """A brand's own user decides about members of that brand alone."""
    me = scope.current()
    if not me.group and queries.brands_of(person_ids) - {me.brand_id}:
        raise GroupDecision()
