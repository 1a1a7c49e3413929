"""Whose word counts when several speak of one tag, and tags that segments give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from at_once import at_once
from factories import World
from flask import Flask
from invariants import broken
from people import make_member
from sqlalchemy import select
from tagging import tag_id, tagged, untagged

from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import rule_tags
from app.members import family
from app.segments import commands, fold, queries
from app.segments.errors import SegmentUnknown, TagExists, TagInvalid, TagUnknown
from app.segments.events import TagsChanged
from app.segments.models import MemberTag, SegmentSnapshot

NOON = datetime.fromisoformat("2026-11-20T12:00:00+08:00")


def _later(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def one(world: World) -> tuple[int, int, int]:
    """Brand, member and a tag that nobody said anything of."""
    with transaction():
        return world.brand_id, make_member(world), tag_id(world.brand_id, "常客")


# A word: + or -, who, and the minute it was said. Then who has the last word, and whether the tag is held.
@pytest.mark.parametrize(
    ("words", "held", "last"),
    [
        ([], False, None),
        (["-manual 0"], False, None),
        (["+manual 0"], True, "manual"),
        (["+manual 0", "-manual 1"], False, "manual"),
        (["+wecom 0", "-manual 1", "+wecom 2"], True, "wecom"),
        # An older word that comes late changes nothing, wherever it was said.
        (["+wecom 0", "-manual 2", "+wecom 1"], False, "manual"),
        (["+manual 2", "-wecom 1"], True, "manual"),
        # Our own writing comes back from WeCom: no word.
        (["+manual 0", "+wecom 1"], True, "manual"),
        (["+manual 0", "-manual 1", "-wecom 3", "+wecom 2"], False, "manual"),
        (["+rule 0", "+wecom 1", "-rule 2"], False, "rule"),
        # A rule takes off only what a rule put on.
        (["+rule 0", "-rule 1"], False, "rule"),
        (["+rule 0", "+manual 1", "-rule 2"], True, "manual"),
        (["+manual 0", "-rule 1"], True, "manual"),
        (["+wecom 0", "-rule 1"], True, "wecom"),
        (["+import 0", "-rule 1"], True, "import"),
        # What a person took off stays off until the rule's fact has changed.
        (["+rule 0", "-manual 1", "+rule 2"], False, "manual"),
        (["+rule 0", "-wecom 1", "+rule 2", "+rule 3"], False, "wecom"),
        (["+rule 0", "-manual 1", "-rule 2", "+rule 3"], True, "rule"),
        # An import fills and takes nothing off.
        (["+manual 0", "-manual 1", "+import 2"], False, "manual"),
        (["+rule 0", "-rule 1", "+import 2"], True, "import"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_whose_word_counts(
    world: World, one: tuple[int, int, int], words: list[str], held: bool, last: str | None
) -> None:
    brand, member, tag = one
    with transaction():
        segment = commands.save_segment(brand_id=brand, name="规则", rule={"not": _nobody()})
        commands.retire_tag(brand_id=brand, tag_id=tag)
        commands.define_tag(brand_id=brand, name="常客", kind="rule", segment_id=segment)
    for word in words:
        said, minute = word.split()
        _say(brand, member, tag, segment, said, _later(int(minute)))
    with transaction():
        assert [one.name for one in queries.tags_of(brand, member)] == (["常客"] if held else [])
        row = session.get(MemberTag, (brand, member, tag))
        assert (row.source if row else None) == last
    assert broken("member_tag") == []


def _nobody() -> dict[str, object]:
    return {"field": "joined_at", "op": "before", "value": "1990-01-01T00:00:00+08:00"}


def _say(brand: int, member: int, tag: int, segment: int, said: str, at: datetime) -> None:
    put, who = said[0] == "+", said[1:]
    with transaction():
        if who == "rule":  # the rule as the product runs it: the segment has everybody, or nobody
            commands.save_segment(brand_id=brand, name="规则", rule={"not": _nobody()} if put else _nobody())
            assert commands.apply_rule(brand_id=brand, tag_id=tag, as_of=at, after=0, limit=10) is None
            return
        act = commands.put if put else commands.take_off
        act(brand_id=brand, member_id=member, tag_ids=[tag], source=who, said_by="test", at=at)


def test_a_change_is_told_and_no_change_is_not(world: World, one: tuple[int, int, int]) -> None:
    brand, member, tag = one
    with transaction():
        tagged(brand, member, "常客")
        tagged(brand, member, "常客")
        untagged(brand, member, "常客")
    told = session.scalars(select(Outbox).where(Outbox.name == TagsChanged.name)).all()
    assert [(row.member_id, row.payload["tags"]) for row in told] == [(member, [tag])] * 2


def test_definitions_are_checked(world: World) -> None:
    brand = world.brand_id
    with transaction():
        tag = commands.define_tag(brand_id=brand, name="高", group_name="消费力", corp_tag_id="et1")
        commands.define_tag(brand_id=brand, name="高", group_name="活跃度")
    for wrong, facts in (
        (TagExists, {"name": "高", "group_name": "消费力"}),
        (TagExists, {"name": "别的", "corp_tag_id": "et1"}),
        (TagInvalid, {"name": "a/b"}),
        (TagInvalid, {"name": ""}),
        (TagInvalid, {"name": "长" * 31}),
        (SegmentUnknown, {"name": "规则", "kind": "rule", "segment_id": 1}),
    ):
        with pytest.raises(wrong), transaction():
            commands.define_tag(brand_id=brand, **facts)
    with transaction():
        member = make_member(world)
        commands.put(brand_id=brand, member_id=member, tag_ids=[tag], source="manual", said_by="test")
        commands.retire_tag(brand_id=brand, tag_id=tag)
        assert queries.tags_of(brand, member) == []
    with pytest.raises(TagUnknown), transaction():
        commands.put(brand_id=brand, member_id=member, tag_ids=[tag], source="manual", said_by="test")
    with transaction():  # defined again, it is back with those who had it
        assert commands.define_tag(brand_id=brand, name="高", group_name="消费力") == tag
        assert [one.name for one in queries.tags_of(brand, member)] == ["高"]
        assert [(one.group_name, one.members) for one in queries.tag_lines(brand)] == [("活跃度", 0), ("消费力", 1)]


def test_a_name_in_two_groups(world: World) -> None:
    brand = world.brand_id
    with transaction():
        tags = [commands.define_tag(brand_id=brand, name="高", group_name=group) for group in ("消费力", "活跃度")]
        members = [make_member(world) for _ in range(3)]
        for member, which in zip(members, (tags[:1], tags[1:], tags), strict=True):
            commands.put(brand_id=brand, member_id=member, tag_ids=which, source="manual", said_by="test")

        def count(op: str, *names: str) -> int:
            rule = {"field": "tag", "op": op, "value": list(names)}
            return queries.count(brand_id=brand, rule=rule, as_of=clock.now())

        assert count("has_any", "高") == 3
        assert count("has_any", "消费力/高") == 2
        assert count("has_all", "消费力/高", "活跃度/高") == 1
        assert count("has_none", "消费力/高") == 1


def test_a_rule_goes_over_many_members_in_chunks(world: World, run_work: Callable[[], int], monkeypatch) -> None:
    brand = world.brand_id
    monkeypatch.setattr(rule_tags, "CHUNK", 4)
    with transaction():
        members = [make_member(world, store=world.stores[n % 2]) for n in range(19)]
        rule = {"field": "home_store", "op": "in", "value": ["S001"]}
        segment = commands.save_segment(brand_id=brand, name="一店", rule=rule)
        tag = commands.define_tag(brand_id=brand, name="一店顾客", kind="rule", segment_id=segment, corp_tag_id="et9")
        rule_tags.start(brand_id=brand, tag_id=tag, as_of=NOON)
    run_work()
    assert _holders(brand, tag) == members[::2]
    told = session.scalars(select(Outbox.payload).where(Outbox.name == TagsChanged.name)).all()
    assert sorted(member for payload in told for member in payload["members"]) == members[::2]
    with transaction():
        commands.save_segment(brand_id=brand, name="一店", rule={**rule, "value": ["S002"]})
        rule_tags.start(brand_id=brand, tag_id=tag, as_of=_later(60))
    run_work()
    assert _holders(brand, tag) == members[1::2]
    assert session.query(SegmentSnapshot).count() == 0
    with transaction():  # an old slot that comes late changes nothing
        commands.save_segment(brand_id=brand, name="一店", rule=rule)
        rule_tags.start(brand_id=brand, tag_id=tag, as_of=_later(30))
    run_work()
    assert members[1] in _holders(brand, tag)


def _holders(brand: int, tag: int) -> list[int]:
    rows = select(MemberTag.member_id).where(MemberTag.brand_id == brand, MemberTag.tag_id == tag, MemberTag.held)
    with transaction():
        return list(session.scalars(rows.order_by(MemberTag.member_id)))


def test_the_latest_of_words_said_at_once_stands(app: Flask, world: World, one: tuple[int, int, int]) -> None:
    brand, member, tag = one
    with transaction():
        tagged(brand, member, "常客")
    base = clock.now()

    def say(number: int) -> None:
        act = commands.put if number % 2 else commands.take_off
        at = base + timedelta(seconds=number)
        with transaction():
            act(brand_id=brand, member_id=member, tag_ids=[tag], source="manual", said_by="test", at=at)

    at_once(app, [partial(say, number) for number in range(1, 9)])
    with transaction():
        row = session.get_one(MemberTag, (brand, member, tag), populate_existing=True)
        assert (row.held, row.at) == (False, base + timedelta(seconds=8))


def test_tags_follow_a_merge_and_come_home(world: World) -> None:
    brand = world.brand_id
    with transaction():
        winner, loser = make_member(world), make_member(world)
        tagged(brand, winner, "甲", "乙")
        tagged(brand, loser, "乙", "丙")
        untagged(brand, winner, "乙")
    key = {"brand_id": brand, "winner_id": winner, "loser_id": loser, "merge_id": 1}
    for _ in range(2):
        with transaction():
            fold.fold(**key)
            assert [one.name for one in queries.tags_of(brand, winner)] == ["甲", "丙"]
    for _ in range(2):
        with transaction():
            fold.unfold(**key, home=family.homecoming(brand, winner, loser))
            assert [one.name for one in queries.tags_of(brand, winner)] == ["甲"]
            assert sorted(one.name for one in queries.tags_of(brand, loser)) == ["丙", "乙"]
            assert session.scalars(select(MemberTag.origin_member_id)).all() == [None] * 4
