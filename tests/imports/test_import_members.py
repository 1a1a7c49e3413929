"""Members of another system: the rules of identity, opening balances once, and nothing sets a playbook off."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from factories import make_world
from import_files import an_import, csv_of, faults_of, parquet_of
from invariants import broken
from loyalty import set_rules
from merging import merge, split
from people import make_member
from sqlalchemy import func, select

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows.till_member import card_identity
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import IdentityReview
from app.identity.rules import Identity, mobile
from app.members.models import GuideHistory, Member
from app.points import queries as points
from app.points.models import Journal
from app.segments.models import MemberTag, Tag
from app.tiers import queries as tiers

HEAD = ["会员编号", "手机号", "卡号", "姓名", "性别", "生日", "门店编码", "导购", "入会时间"]
HEAD += ["标签", "等级", "积分", "成长值"]


def _row(number: int, **changed: object) -> dict[str, object]:
    return {
        "会员编号": f"M{number}",
        "手机号": f"139222200{number:02d}",
        "卡号": f"C{number}",
        "姓名": "王小美",
        "性别": "女",
        "生日": "1990/1/2",
        "门店编码": "S001",
        "导购": "guide1",
        "入会时间": "2023-05-01 10:00:00",
    } | changed


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def _members() -> list[Member]:
    session.expire_all()
    return list(session.scalars(select(Member).order_by(Member.member_id)))


def test_a_row_becomes_a_member_with_all_it_says(app, world) -> None:
    ladder = set_rules(world.brand_id)
    row = _row(1, 标签="高价值; 老客", 等级="silver", 积分="1200", 成长值="30")
    job = an_import(world, "members", csv_of(HEAD, [row, _row(2, 成长值="2500")]))
    assert (job.status, job.created, job.refused) == ("done", 2, 0)
    first, second = _members()
    assert (first.plain_name, first.phone_tail, first.card_no, first.gender) == ("王小美", "0001", "C1", 2)
    assert (str(first.birthday), first.home_store_id, first.guide_id) == ("1990-01-02", world.store.id, world.guide.id)
    assert first.joined_at.isoformat() == "2023-05-01T02:00:00+00:00" and first.source == "import"
    assert points.balances(world.brand_id, first.member_id) == {"points": 1200, "growth": 30}
    current = [tiers.current(world.brand_id, one.member_id) for one in (first, second)]
    assert [one.tier_id for one in current if one] == [ladder["silver"], ladder["gold"]]
    tags = session.scalars(select(Tag.name).join(MemberTag, MemberTag.tag_id == Tag.tag_id).order_by(Tag.name)).all()
    assert sorted(tags) == sorted(["高价值", "老客"])
    assert session.scalar(select(func.count()).select_from(GuideHistory)) == 2
    assert identity_queries.person_of(mobile("13922220001")) == first.person_id
    assert identity_queries.person_of(card_identity(world.brand_id, "C1")) == first.person_id
    (told,) = session.execute(select(Outbox.name, Outbox.payload)).all()  # and nothing else happened
    assert told.name == "imports.finished" and told.payload["created"] == 2
    assert not broken()


def test_the_same_file_again_changes_nothing_and_opens_no_balance_twice(app, world) -> None:
    set_rules(world.brand_id)
    file = csv_of(HEAD, [_row(n, 积分="100", 成长值="10", 标签="老客") for n in range(1, 6)])
    an_import(world, "members", file)
    job = an_import(world, "members", file)
    assert (job.created, job.updated, job.unchanged) == (0, 0, 5)
    assert session.scalar(select(func.count()).select_from(Journal)) == 10
    assert not broken()


def test_what_is_known_stays_and_what_is_blank_is_filled(app, world) -> None:
    with transaction():
        member = make_member(world, phone="13922220001", name="小美", guide=world.guides[1])
        person = _members()[0].person_id
        number = identity_queries.identities_of(person)
        assert number
    rows = [_row(1), _row(2, 手机号="13922220001", 卡号=None, 性别=None)]
    job = an_import(world, "members", csv_of(HEAD, rows))
    assert (job.created, job.updated) == (0, 1)
    (found,) = _members()
    assert found.member_id == member and found.guide_id == world.guides[1].id  # the owner they have
    assert (found.plain_name, found.card_no, found.gender) == ("王小美", "C1", 2)
    assert not broken()


def test_a_second_row_of_one_phone_is_the_same_member(app, world) -> None:
    set_rules(world.brand_id)
    rows = [_row(1, 积分="10"), _row(2, 手机号="139 2222 0001", 卡号=None, 积分="5")]
    job = an_import(world, "members", csv_of(HEAD, rows))
    assert job.created == 1
    (found,) = _members()
    assert points.balances(world.brand_id, found.member_id)["points"] == 15
    assert an_import(world, "members", csv_of(HEAD, rows)).unchanged == 2
    assert not broken()


def test_a_differing_card_keeps_a_shared_phone_apart_and_opens_a_review(app, world) -> None:
    rows = [_row(1), _row(2, 手机号="13922220001")]
    job = an_import(world, "members", csv_of(HEAD, rows))
    assert job.created == 2 and job.refused == 0
    assert session.scalars(select(IdentityReview.reason)).all() == ["differing_card"]
    assert not broken()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"手机号": "123"}, "phone_invalid"),
        ({"会员编号": None}, "needed"),
        ({"生日": "1990-02-30"}, "not_day"),
        ({"生日": "2999-01-01"}, "not_day"),
        ({"性别": "猫"}, "not_choice"),
        ({"门店编码": "S009"}, "store_unknown"),
        ({"导购": "nobody"}, "guide_unknown"),
        ({"等级": "platinum"}, "tier_unknown"),
        ({"积分": "-5"}, "not_whole"),
        ({"入会时间": "yesterday"}, "not_moment"),
        ({"会员编号": "M1"}, "twice"),
        ({"会员编号": "0000", "手机号": "13800138000", "卡号": "000"}, "identity_blocked"),
    ],
)
def test_a_bad_row_is_refused_and_its_person_is_not_told(app, world, changed, code) -> None:
    job = an_import(world, "members", csv_of(HEAD, [_row(1), _row(2) | changed, _row(3)]))
    assert (job.created, job.refused) == (2, 1)
    (fault,) = faults_of(job)
    assert (fault.row_no, fault.code) == (3, code)
    assert "139222200" not in fault.message + str(fault.values)
    assert not broken("identity", "members")


def test_an_erased_person_is_not_brought_back(app, world) -> None:
    with transaction():
        identity.entomb(ids=[mobile("13922220001"), card_identity(world.brand_id, "C1")])
    job = an_import(world, "members", csv_of(HEAD, [_row(1), _row(2)]))
    assert (job.created, job.refused) == (1, 1)
    assert faults_of(job)[0].code == "identity_erased"
    assert identity_queries.person_of(mobile("13922220001")) is None


def test_a_member_of_the_group_joins_another_brand(app, world) -> None:
    other = make_world()
    with transaction():
        make_member(other, phone="13922220001")
    assert an_import(world, "members", csv_of(HEAD, [_row(1)])).created == 1
    people = {one.person_id for one in _members()}
    assert len(people) == 1 and len(_members()) == 2
    assert not broken()


def test_growth_that_comes_to_a_known_member_lifts_them(app, world) -> None:
    ladder = set_rules(world.brand_id)
    with transaction():
        member = make_member(world, phone="13922220001")
        identity.link(ids=[mobile("13922220001"), Identity("import", f"{world_of(world)}:erp", "M1")], source="test")
    job = an_import(world, "members", csv_of(HEAD, [_row(1, 卡号=None, 成长值="600")]))
    assert job.updated == 1
    current = tiers.current(world.brand_id, member)
    assert current is not None and current.tier_id == ladder["silver"]
    assert not broken()


def world_of(world) -> str:  # type: ignore[no-untyped-def]
    return card_identity(world.brand_id, "x").namespace


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_files_of_every_encoding_are_read(app, world, encoding) -> None:
    rows = [_row(1, 姓名="欧阳𠮷\n先生"), _row(2, 姓名='带"引号,逗号')]
    assert an_import(world, "members", csv_of(HEAD, rows, encoding)).created == 2
    assert [one.plain_name for one in _members()] == ["欧阳𠮷\n先生", '带"引号,逗号']


def test_parquet_with_its_own_types_is_read(app, world) -> None:
    schema = pa.schema(
        {"source_id": pa.int64(), "phone": pa.string(), "name": pa.string(), "birthday": pa.date32(),
         "joined_at": pa.timestamp("us"), "points": pa.int32()}
    )  # fmt: skip
    rows = [
        {
            "source_id": number,
            "phone": f"139222200{number:02d}",
            "name": "王小美",
            "birthday": datetime.date(1990, 1, 2),
            "joined_at": datetime.datetime(2023, 5, 1, 10),  # noqa: DTZ001
            "points": 7,
        }
        for number in (1, 2)
    ]
    job = an_import(world, "members", parquet_of([*rows, rows[0] | {"source_id": 3, "phone": "1"}], schema))
    assert (job.format, job.created, job.refused) == ("parquet", 2, 1)
    assert faults_of(job)[0].row_no == 3
    assert _members()[0].joined_at.isoformat() == "2023-05-01T02:00:00+00:00"


def test_rows_that_cannot_be_taken_apart_are_told_by_number(app, world) -> None:
    body = csv_of(HEAD, [_row(1), _row(2), _row(3)]).decode().splitlines()
    body[2] += ",one,too,many"
    body.insert(3, "")
    job = an_import(world, "members", "\r\n".join(body).encode())
    assert job.created == 2
    assert [(one.row_no, one.code) for one in faults_of(job)] == [(3, "columns")]


def test_bytes_of_no_encoding_refuse_their_row_only(app, world) -> None:
    body = csv_of(HEAD, [_row(1), _row(2, 姓名="XXXX"), _row(3)]).replace(b"XXXX", b"\xff\xff\xfe\xff")
    job = an_import(world, "members", body)
    assert (job.created, [one.code for one in faults_of(job)]) == (2, ["encoding"])


def test_a_file_read_again_after_a_merge_or_a_split_opens_no_balance_twice(app, world) -> None:
    set_rules(world.brand_id)
    with transaction():
        first = make_member(world)
    file = csv_of(HEAD, [_row(1, 积分="100", 成长值="30")])
    an_import(world, "members", file)
    (second,) = [one.member_id for one in _members() if one.member_id != first]
    merge(world, first, second)
    an_import(world, "members", file)
    assert points.balances(world.brand_id, first) == {"points": 100, "growth": 30}
    late = csv_of(HEAD, [_row(1, 会员编号="M9", 积分="7")])
    an_import(world, "members", late)  # known by the phone, and opened while the two are one
    assert points.balances(world.brand_id, first)["points"] == 107
    split(world, second)
    for one in (file, late):
        an_import(world, "members", one)
    found = {one: points.balances(world.brand_id, one)["points"] for one in (first, second)}
    assert found == {first: 7, second: 100}
    assert not broken()
