"""Stores and guides: made when new, corrected when known, kept within the brand."""

from __future__ import annotations

import pytest
from factories import make_world
from import_files import an_import, csv_of, faults_of

from app.core.db import session
from app.imports.errors import HeaderWrong
from app.org import queries as org


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def test_stores_with_new_regions_and_dealers(app, world) -> None:
    head = ["门店编码", "门店名称", "区域", "经销商", "状态"]
    rows = [
        {"门店编码": "S001", "门店名称": "一号旗舰店", "区域": "north", "经销商": "d9", "状态": "营业"},
        {"门店编码": "S003", "门店名称": "三号店", "区域": "north", "状态": "关闭"},
        {"门店编码": "S003", "门店名称": "三号店", "区域": "north"},
        {"门店编码": "S004", "门店名称": "四号店"},
        {"门店编码": "S005", "门店名称": "五号店", "区域": "east", "状态": "搬家"},
    ]
    job = an_import(world, "stores", csv_of(head, rows))
    assert (job.created, job.updated, job.refused) == (1, 1, 3)
    assert [one.code for one in faults_of(job)] == ["twice", "needed", "not_choice"]
    session.expire_all()
    first, third = org.store_by_code(world.brand_id, "S001"), org.store_by_code(world.brand_id, "S003")
    assert first is not None and third is not None
    assert (first.id, first.name, third.status) == (world.store.id, "一号旗舰店", "closed")
    dealers = {dealer.id: dealer.code for dealer in org.dealers(world.brand_id)}
    assert dealers[first.dealer_id or 0] == "d9" and third.dealer_id is None
    again = an_import(world, "stores", csv_of(head, rows))
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)


def test_what_a_file_of_stores_does_not_say_stays(app, world) -> None:
    file = csv_of(["code", "name", "region"], [{"code": "S002", "name": "二号店", "region": "east"}])
    assert an_import(world, "stores", file).unchanged == 1
    session.expire_all()
    store = org.store_by_code(world.brand_id, "S002")
    assert store is not None and store.dealer_id == world.dealer.id


def test_guides_of_the_brands_corp(app, world) -> None:
    head = ["企微账号", "姓名", "门店编码", "职位", "状态"]
    rows = [
        {"企微账号": "guide1", "姓名": "导购1", "门店编码": "S002", "职位": "店长"},
        {"企微账号": "guide2", "姓名": "导购2", "门店编码": "S001", "状态": "离职"},
        {"企微账号": "guide9", "姓名": "新导购", "门店编码": "S002"},
        {"企微账号": "guide8", "姓名": "谁", "门店编码": "S009"},
    ]
    job = an_import(world, "guides", csv_of(head, rows))
    assert (job.created, job.updated, job.refused) == (1, 2, 1)
    session.expire_all()
    found = {guide.userid: guide for guide in org.guides(world.brand_id)}
    assert (found["guide1"].store_id, found["guide1"].role) == (world.stores[1].id, "store_manager")
    assert (found["guide2"].status, found["guide9"].role) == ("left", "guide")
    assert an_import(world, "guides", csv_of(head, rows)).unchanged == 3


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (["门店编码", "区域"], {"missing": ["name"]}),
        (["门店编码", "门店代码", "门店名称", "区域"], {"doubled": ["code"]}),
    ],
)
def test_a_wrong_header_refuses_the_file(app, world, head, told) -> None:
    with pytest.raises(HeaderWrong) as refused:
        an_import(world, "stores", csv_of(head, []))
    assert refused.value.data == told


def test_a_header_may_be_given_its_meaning(app, world) -> None:
    head = ["Filiale", "Name", "Gebiet"]
    file = csv_of(head, [{"Filiale": "S100", "Name": "hundert", "Gebiet": "east"}])
    mapping = {"Filiale": "code", "Gebiet": "region"}
    assert an_import(world, "stores", file, mapping=mapping).created == 1
    with pytest.raises(HeaderWrong):
        an_import(world, "stores", file, mapping={"Filiale": "nothing"})
