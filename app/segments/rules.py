"""The language of segments, parsed and checked. Pure: no database, no clock.

    {"all": [NODE, ..]}   {"any": [NODE, ..]}   {"not": NODE}
    {"field": "tier", "op": "in", "value": ["gold"]}
    {"field": "orders.count", "op": "gte", "value": 2, "days": 90}

Every condition is true or false, never unknown: a value that is absent makes only `not_set`, `not_in` and `has_none`
true. A name that is not known is an error, because a condition dropped from an `all` would widen the audience.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import SegmentInvalid
from .lifecycle import STAGES

MAX_DEPTH = 8
MAX_NODES = 64
MAX_VALUES = 500
MAX_DAYS = 3660
MAX_NUMBER = 10**15


@dataclass(frozen=True)
class All:
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Any_:
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    node: Node


@dataclass(frozen=True)
class Leaf:
    """One condition. `days`: the window of an order aggregate, counted back from the moment of asking; None for all."""

    field: str
    op: str
    value: Any = None
    days: int | None = None


Node = All | Any_ | Not | Leaf


def _texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MAX_VALUES
        and all(isinstance(one, str) and 0 < len(one) <= 100 for one in value)
    )


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _months(value: Any) -> bool:
    return value == "this" or (
        isinstance(value, list) and 0 < len(value) <= 12 and all(type(one) is int and 1 <= one <= 12 for one in value)
    )


def _moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _nothing(value: Any) -> bool:
    return value is None


def _stages(value: Any) -> bool:
    return _texts(value) and set(value) <= set(STAGES)


_SCORE = {op: _whole(1, 5) for op in ("gte", "lt", "eq")}
_AMOUNT = {op: _whole(0, MAX_NUMBER) for op in ("gte", "lt", "eq")}

# Every name an operator may use: field -> operation -> check of its value.
FIELDS: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "tag": {"has_any": _texts, "has_all": _texts, "has_none": _texts},
    "joined_at": {
        "before": _moment,
        "after": _moment,
        "within_days": _whole(0, MAX_DAYS),
        "older_than_days": _whole(0, MAX_DAYS),
    },
    "home_store": {"in": _texts, "not_in": _texts, "set": _nothing, "not_set": _nothing},
    "tier": {"in": _texts, "not_in": _texts, "set": _nothing, "not_set": _nothing},
    "birthday_month": {"in": _months, "set": _nothing, "not_set": _nothing},
    "orders.count": _AMOUNT,
    "orders.paid_fen": _AMOUNT,
    "lifecycle": {"in": _stages, "not_in": _stages},
    "favourite_category": {"in": _texts, "not_in": _texts},
    "last_order_days": {op: _whole(0, MAX_DAYS) for op in ("gte", "lt")},
    "rfm.recency": _SCORE,
    "rfm.frequency": _SCORE,
    "rfm.monetary": _SCORE,
    "traits.net_paid_fen": _AMOUNT,
    "traits.avg_fen": _AMOUNT,
    "traits.refunds": _AMOUNT,
}
# Fields that are read from the traits, with their column there: as fresh as those, and cheap on many orders.
TRAITS: Mapping[str, str] = {
    "lifecycle": "lifecycle",
    "favourite_category": "favourite_category",
    "last_order_days": "last_paid_at",
    "rfm.recency": "recency",
    "rfm.frequency": "frequency",
    "rfm.monetary": "monetary",
    "traits.net_paid_fen": "net_paid_fen",
    "traits.avg_fen": "avg_fen",
    "traits.refunds": "refunds",
}
_WINDOWED = ("orders.count", "orders.paid_fen")


def parse(rule: Any) -> Node:
    """The checked tree behind a JSON rule; SegmentInvalid with the path of the first node that is wrong."""
    left = [MAX_NODES]
    return _node(rule, "$", 1, left)


def _node(rule: Any, at: str, depth: int, left: list[int]) -> Node:
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise SegmentInvalid("The rule is too large.", at=at, max_nodes=MAX_NODES, max_depth=MAX_DEPTH)
    if not isinstance(rule, dict):
        raise SegmentInvalid(at=at)
    for name, make in (("all", All), ("any", Any_)):
        if name in rule:
            nodes = rule[name]
            if len(rule) != 1 or not isinstance(nodes, list) or not nodes:
                raise SegmentInvalid(at=f"{at}.{name}")
            return make(tuple(_node(one, f"{at}.{name}[{i}]", depth + 1, left) for i, one in enumerate(nodes)))
    if "not" in rule:
        if len(rule) != 1:
            raise SegmentInvalid(at=f"{at}.not")
        return Not(_node(rule["not"], f"{at}.not", depth + 1, left))
    return _leaf(rule, at)


def _leaf(rule: dict[str, Any], at: str) -> Leaf:
    field, op, value, days = rule.get("field"), rule.get("op"), rule.get("value"), rule.get("days")
    if unknown := sorted(set(rule) - {"field", "op", "value", "days"}):
        raise SegmentInvalid(at=at, unknown=unknown)
    if not isinstance(field, str) or field not in FIELDS:
        raise SegmentInvalid(at=f"{at}.field", known=sorted(FIELDS))
    if not isinstance(op, str) or op not in FIELDS[field]:
        raise SegmentInvalid(at=f"{at}.op", known=sorted(FIELDS[field]))
    if not FIELDS[field][op](value):
        raise SegmentInvalid(at=f"{at}.value")
    if days is not None and (field not in _WINDOWED or not _whole(1, MAX_DAYS)(days)):
        raise SegmentInvalid(at=f"{at}.days")
    return Leaf(field, op, value, days)
