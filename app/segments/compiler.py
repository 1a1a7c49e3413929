"""A checked rule as SQL. Names come from the registry, values only as bind parameters, the moment is bound once.

Aggregates and tags are EXISTS over a derived table grouped by member, so the planner joins once; correlated scalar
subqueries and NOT IN (subquery) are never emitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, extract, false, func, not_, or_, select

from app.core.db import session
from app.members.models import Member
from app.org import queries as org
from app.org.models import Store
from app.sales.models import SalesOrder
from app.tiers.models import MemberTier, Tier

from . import rules
from .errors import SegmentInvalid
from .models import MemberTag, MemberTrait, Tag


@dataclass(frozen=True)
class Question:
    """Who is asking and as of when: `as_of` is bound once and stands for now everywhere in the statement."""

    brand_id: int
    as_of: datetime
    zone: ZoneInfo


def audience(*, brand_id: int, rule: dict[str, Any], as_of: datetime) -> Select[int]:
    """The ids of the active members of a brand for whom the rule is true at `as_of` (aware UTC), as a statement."""
    question = Question(brand_id, as_of, ZoneInfo(org.brand(brand_id).timezone))
    return select(Member.member_id).where(
        Member.brand_id == brand_id, Member.status == "active", _node(rules.parse(rule), question)
    )


def _node(node: rules.Node, question: Question) -> ColumnElement[bool]:
    if isinstance(node, rules.All):
        return and_(*(_node(one, question) for one in node.nodes))
    if isinstance(node, rules.Any_):
        return or_(*(_node(one, question) for one in node.nodes))
    if isinstance(node, rules.Not):
        return not_(_node(node.node, question))
    if node.field == "tag":
        return _tag(node, question)
    if node.field == "joined_at":
        return _joined_at(node, question)
    if node.field == "home_store":
        return _home_store(node, question)
    if node.field == "tier":
        return _tier(node, question)
    if node.field == "birthday_month":
        return _birthday_month(node, question)
    if node.field in rules.TRAITS:
        return _trait(node, question)
    return _orders(node, question)


def _tag(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    """A value names a tag, or a tag of one group as `group/name`; a name alone means it in every group."""
    rows = session.execute(
        select(Tag.tag_id, Tag.group_name, Tag.name).where(
            Tag.brand_id == question.brand_id,
            Tag.retired_at.is_(None),
            or_(Tag.name.in_(node.value), (Tag.group_name + "/" + Tag.name).in_(node.value)),
        )
    ).all()
    ids: dict[str, list[int]] = {}
    for tag_id, group, name in rows:
        for called in (name, f"{group}/{name}"):
            ids.setdefault(called, []).append(tag_id)
    if unknown := sorted(set(node.value) - set(ids)):
        raise SegmentInvalid("The rule names a tag that does not exist.", field="tag", unknown=unknown)
    if node.op == "has_all":
        return and_(*(_has_tag(ids[one], question) for one in sorted(set(node.value))))
    found = _has_tag(sorted({tag_id for one in node.value for tag_id in ids[one]}), question)
    return not_(found) if node.op == "has_none" else found


def _has_tag(tag_ids: list[int], question: Question) -> ColumnElement[bool]:
    return _among(
        select(MemberTag.member_id).where(
            MemberTag.brand_id == question.brand_id, MemberTag.tag_id.in_(tag_ids), MemberTag.held
        )
    )


def _joined_at(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    if node.op == "before":
        return Member.joined_at < datetime.fromisoformat(node.value)
    if node.op == "after":
        return Member.joined_at >= datetime.fromisoformat(node.value)
    edge = question.as_of - timedelta(days=node.value)
    return Member.joined_at >= edge if node.op == "within_days" else Member.joined_at < edge


def _home_store(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    if node.op in ("set", "not_set"):
        return Member.home_store_id.is_not(None) if node.op == "set" else Member.home_store_id.is_(None)
    codes = select(Store.code, Store.id).where(Store.brand_id == question.brand_id, Store.code.in_(node.value))
    stores = _named("home_store", node.value, dict(session.execute(codes).all()))
    return _known(Member.home_store_id, Member.home_store_id.in_(stores), negated=node.op == "not_in")


def _tier(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    held = select(MemberTier.member_id).where(
        MemberTier.brand_id == question.brand_id,
        MemberTier.valid_from <= question.as_of,
        or_(MemberTier.valid_to.is_(None), MemberTier.valid_to > question.as_of),
    )
    if node.op in ("set", "not_set"):
        return _among(held) if node.op == "set" else not_(_among(held))
    codes = select(Tier.code, Tier.tier_id).where(Tier.brand_id == question.brand_id, Tier.code.in_(node.value))
    tiers = _named("tier", node.value, dict(session.execute(codes).all()))
    found = _among(held.where(MemberTier.tier_id.in_(tiers)))
    return not_(found) if node.op == "not_in" else found


def _birthday_month(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    if node.op in ("set", "not_set"):
        return Member.birthday.is_not(None) if node.op == "set" else Member.birthday.is_(None)
    months = [question.as_of.astimezone(question.zone).month] if node.value == "this" else node.value
    return _known(Member.birthday, extract("month", Member.birthday).in_(months), negated=False)


def _orders(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    """Paid orders up to the moment of asking. A member without any counts as zero."""
    measured = func.count() if node.field == "orders.count" else func.coalesce(func.sum(SalesOrder.paid_fen), 0)
    rows = select(SalesOrder.member_id).where(
        SalesOrder.brand_id == question.brand_id,
        SalesOrder.status == "paid",
        SalesOrder.walk_in.is_(False),
        SalesOrder.paid_at <= question.as_of,
    )
    if node.days is not None:
        rows = rows.where(SalesOrder.paid_at > question.as_of - timedelta(days=node.days))
    grouped = rows.group_by(SalesOrder.member_id)
    if node.op == "lt":
        # "Fewer than n" holds for those without a single row too, so ask for its opposite and negate.
        return not_(_among(grouped.having(measured >= node.value))) if node.value else false()
    if node.op == "gte":
        return _among(grouped.having(measured >= node.value)) if node.value else not_(false())
    if node.value == 0:
        return not_(_among(grouped.having(measured > 0)))
    return _among(grouped.having(measured == node.value))


def _trait(node: rules.Leaf, question: Question) -> ColumnElement[bool]:
    """Traits as they were last made; a member without the value has only what `not_in` says."""
    column: Any = getattr(MemberTrait, rules.TRAITS[node.field])
    if node.field == "last_order_days":
        edge = question.as_of - timedelta(days=node.value)
        condition = column <= edge if node.op == "gte" else column > edge
    elif node.op in ("in", "not_in"):
        condition = column.in_(node.value)
    else:
        condition = {"gte": column >= node.value, "lt": column < node.value, "eq": column == node.value}[node.op]
    found = _among(select(MemberTrait.member_id).where(MemberTrait.brand_id == question.brand_id, condition))
    return not_(found) if node.op == "not_in" else found


def _among(members: Select[int]) -> ColumnElement[bool]:
    rows = members.subquery()
    return exists(select(1).select_from(rows).where(rows.c.member_id == Member.member_id))


def _known(column: Any, condition: ColumnElement[bool], *, negated: bool) -> ColumnElement[bool]:
    """The condition made two-valued: an absent value is in nothing, and so not in anything."""
    return or_(column.is_(None), not_(condition)) if negated else and_(column.is_not(None), condition)


def _named(field: str, wanted: list[str], ids: dict[str, int]) -> list[int]:
    if unknown := sorted(set(wanted) - set(ids)):
        raise SegmentInvalid(f"The rule names a {field} that does not exist.", field=field, unknown=unknown)
    return sorted(ids.values())
