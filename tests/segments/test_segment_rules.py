from __future__ import annotations

import pytest

from app.segments import rules
from app.segments.errors import SegmentInvalid

LEAF = {"field": "tier", "op": "in", "value": ["gold"]}


def test_a_tree_is_parsed() -> None:
    node = rules.parse({"all": [LEAF, {"not": {"any": [LEAF, LEAF]}}]})
    leaf = rules.Leaf("tier", "in", ["gold"])
    assert node == rules.All((leaf, rules.Not(rules.Any_((leaf, leaf)))))


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        ([], "$"),
        ({}, "$.field"),
        ({"all": []}, "$.all"),
        ({"all": [LEAF], "any": [LEAF]}, "$.all"),
        ({"all": [LEAF, {"field": "shoe_size", "op": "in", "value": ["42"]}]}, "$.all[1].field"),
        ({"not": {"field": "tier", "op": "like", "value": ["gold"]}}, "$.not.op"),
        ({"field": "tier", "op": "in", "value": []}, "$.value"),
        ({"field": "tier", "op": "in", "value": "gold"}, "$.value"),
        ({"field": "tier", "op": "set", "value": 1}, "$.value"),
        ({"field": "tier", "op": "in", "value": ["gold"], "days": 3}, "$.days"),
        ({"field": "orders.count", "op": "gte", "value": True}, "$.value"),
        ({"field": "orders.count", "op": "gte", "value": 1, "days": 0}, "$.days"),
        ({"field": "joined_at", "op": "after", "value": "2026-01-01T00:00:00"}, "$.value"),
        ({"field": "birthday_month", "op": "in", "value": [13]}, "$.value"),
        ({"field": "tag", "op": "has_any", "value": ["a"], "extra": 1}, "$"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(rule: object, at: str) -> None:
    with pytest.raises(SegmentInvalid) as caught:
        rules.parse(rule)
    assert caught.value.data["at"] == at


def test_trees_are_bounded() -> None:
    deep: dict = LEAF
    for _ in range(rules.MAX_DEPTH):
        deep = {"not": deep}
    for rule in (deep, {"any": [LEAF] * rules.MAX_NODES}):
        with pytest.raises(SegmentInvalid):
            rules.parse(rule)
