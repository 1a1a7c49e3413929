"""Orders of another system: lines grouped, money to the fen, once per number, no event, nothing earned."""

from __future__ import annotations

import pytest
from factories import make_world
from import_files import an_import, csv_of, faults_of
from invariants import broken
from people import make_member
from sqlalchemy import func, select

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.sales.models import OrderLine, SalesOrder

HEAD = ["订单号", "门店编码", "付款时间", "手机号", "商品编码", "商品名称", "数量", "单价", "金额", "优惠", "实付"]


def _line(order_no: str, phone: str | None = "13911112222", **changed: object) -> dict[str, object]:
    row: dict[str, object] = {
        "订单号": order_no,
        "门店编码": "S001",
        "付款时间": "2024-05-01 10:30:00",
        "手机号": phone,
        "商品编码": "A1",
        "商品名称": "衬衫",
        "数量": 2,
        "单价": "99.50",
        "金额": "199.00",
        "优惠": "19.00",
        "实付": "180.00",
    }
    return row | changed


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def _orders() -> dict[str, SalesOrder]:
    session.expire_all()
    return {row.order_no: row for row in session.scalars(select(SalesOrder))}


def test_lines_become_orders_of_their_member_and_nothing_else_happens(app, world) -> None:
    with transaction():
        member = make_member(world, phone="13911112222")
    with transaction():
        events = session.scalar(select(func.count()).select_from(Outbox))
    rows = [_line("A1"), _line("A1", 商品编码="A2"), _line("A2", phone="13800000001"), _line("A3", phone=None)]
    job = an_import(world, "order_lines", csv_of(HEAD, rows))
    assert (job.status, job.read, job.created, job.refused) == ("done", 4, 3, 0)
    found = _orders()
    assert found["A1"].member_id == member and found["A1"].paid_fen == 36000 and found["A1"].import_id == job.job_id
    assert found["A2"].walk_in and found["A3"].walk_in and found["A2"].member_id == found["A2"].order_id
    assert found["A1"].paid_at.isoformat() == "2024-05-01T02:30:00+00:00"
    lines = session.scalars(select(OrderLine).order_by(OrderLine.order_id, OrderLine.line_no)).all()
    assert [line.line_no for line in lines] == [1, 2, 1, 1]
    names = set(session.scalars(select(Outbox.name).order_by(Outbox.id).offset(events)))
    assert names <= {"imports.finished"}
    assert not broken()


def test_the_same_file_again_changes_nothing(app, world) -> None:
    file = csv_of(HEAD, [_line("A1"), _line("A1"), _line("A2")])
    an_import(world, "order_lines", file)
    before = {no: row.order_id for no, row in _orders().items()}
    job = an_import(world, "order_lines", file)
    assert (job.created, job.updated, job.unchanged) == (0, 0, 2)
    assert {no: row.order_id for no, row in _orders().items()} == before


def test_alike_lines_are_two_and_alike_orders_with_two_numbers_are_two(app, world) -> None:
    job = an_import(world, "order_lines", csv_of(HEAD, [_line("A1"), _line("A1"), _line("A2"), _line("A2")]))
    assert job.created == 2
    assert session.scalar(select(func.count()).select_from(OrderLine)) == 4


def test_a_changed_order_of_an_import_is_replaced(app, world) -> None:
    an_import(world, "order_lines", csv_of(HEAD, [_line("A1"), _line("A2")]))
    job = an_import(
        world, "order_lines", csv_of(HEAD, [_line("A1"), _line("A2", 优惠="0.00", 实付="199.00"), _line("A3")])
    )
    assert (job.created, job.updated, job.unchanged) == (1, 1, 1)
    assert _orders()["A2"].paid_fen == 19900
    assert not broken("sales", "imports")


def test_an_order_finds_its_member_when_the_member_has_come(app, world) -> None:
    file = csv_of(HEAD, [_line("A1")])
    an_import(world, "order_lines", file)
    with transaction():
        member = make_member(world, phone="13911112222")
    job = an_import(world, "order_lines", file)
    assert job.updated == 1 and _orders()["A1"].member_id == member
    assert not broken("sales")


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"金额": "198.99"}, "amount_mismatch", "相差 0.01"),
        ({"实付": "180.01"}, "paid_mismatch", "相差 0.01"),
        ({"优惠": "200.00", "实付": "0"}, "discount_range", "超过金额 199.00"),
        ({"数量": "0"}, "quantity", "正整数"),
        ({"数量": "-1"}, "quantity", "退款文件"),
        ({"数量": "1.5"}, "not_whole", "不是整数"),
        ({"实付": "18O"}, "not_money", "金额"),
        ({"实付": "180.001"}, "not_money", "最多到分"),
        ({"付款时间": "2024-02-30 10:00"}, "not_moment", "不是有效时间"),
        ({"付款时间": "2999-01-01"}, "future", "晚于现在"),
        ({"付款时间": None}, "needed", "付款时间"),
        ({"门店编码": "S999"}, "store_unknown", "S999"),
        ({"门店编码": None}, "needed", "门店"),
        ({"商品编码": None}, "needed", "商品编码"),
        ({"订单号": None}, "needed", "订单号"),
        ({"订单号": "x" * 65}, "too_long", "64"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_the_rest_is_not(app, world, changed, code, words) -> None:
    rows = [_line("A1"), _line("A2") | changed, _line("A3")]
    job = an_import(world, "order_lines", csv_of(HEAD, rows))
    assert (job.status, job.created, job.refused) == ("done", 2, 1)
    (fault,) = faults_of(job)
    assert (fault.row_no, fault.code) == (3, code) and words in fault.message
    assert not broken("sales", "imports")


def test_an_order_is_refused_whole(app, world) -> None:
    rows = [_line("A1"), _line("A1", 金额="1.00"), _line("A1"), _line("A2")]
    job = an_import(world, "order_lines", csv_of(HEAD, rows))
    assert (job.created, job.refused) == (1, 3)
    assert [(one.row_no, one.code) for one in faults_of(job)] == [
        (2, "order_refused"),
        (3, "amount_mismatch"),
        (4, "order_refused"),
    ]
    assert "第 3 行" in faults_of(job)[0].message


def test_the_head_may_stand_on_the_first_line_only_but_not_differ(app, world) -> None:
    blank = {"门店编码": None, "付款时间": None, "手机号": None}
    rows = [_line("A1"), _line("A1") | blank, _line("A2"), _line("A2", 付款时间="2024-05-01 10:31:00")]
    job = an_import(world, "order_lines", csv_of(HEAD, rows))
    assert job.created == 1
    assert [one.code for one in faults_of(job)] == ["head_differs", "order_refused"]


def test_the_sum_stated_for_the_order_must_be_that_of_its_lines(app, world) -> None:
    head = [*HEAD, "整单实付"]
    rows = [_line("A1", 整单实付="360.00"), _line("A1", 整单实付="360.00"), _line("A2", 整单实付="181.00")]
    job = an_import(world, "order_lines", csv_of(head, rows))
    assert job.created == 1
    (fault,) = faults_of(job)
    assert fault.code == "order_mismatch" and "相差 1.00" in fault.message


def test_whole_orders_and_their_lines_in_a_file_of_their_own(app, world) -> None:
    head = ["order_no", "store", "paid_at", "total", "discount", "paid"]
    order = {"store": "S001", "paid_at": "2024-05-01", "total": "398", "discount": "38", "paid": "360"}
    orders = csv_of(head, [order | {"order_no": "A1"}, order | {"order_no": "A2"}])
    assert an_import(world, "orders", orders).created == 2
    assert not broken("sales")
    head = ["order_no", "sku", "quantity", "amount", "paid"]
    line = {"sku": "A1", "quantity": 1, "amount": "199.00", "paid": "180.00"}
    lines = csv_of(head, [line | {"order_no": no} for no in ("A1", "A1", "A2", "A9")])
    job = an_import(world, "order_lines", lines)
    assert (job.updated, job.refused) == (1, 2)
    assert [(one.row_no, one.code) for one in faults_of(job)] == [(4, "lines_mismatch"), (5, "order_unknown")]
    assert session.scalar(select(func.count()).select_from(OrderLine)) == 3
    # The heads again do not take the lines away.
    assert an_import(world, "orders", orders).unchanged == 2
    assert an_import(world, "order_lines", lines).unchanged == 1
    assert not broken("sales", "imports")


def test_numbers_that_tills_upload_live_meet_history_and_stay(app, world) -> None:
    from_till = csv_of(HEAD, [_line("A1"), _line("A1", 门店编码="S002")])
    job = an_import(world, "order_lines", from_till, source="till")
    assert job.created == 2
    assert set(session.scalars(select(SalesOrder.source))) == {"till:S001", "till:S002"}


def test_members_are_made_of_phones_when_asked(app, world) -> None:
    rows = [_line("A1"), _line("A2"), _line("A3", phone="12345")]
    job = an_import(world, "order_lines", csv_of(HEAD, rows), create_members=True)
    assert job.created == 3
    found = _orders()
    assert found["A1"].member_id == found["A2"].member_id != found["A1"].order_id
    assert found["A3"].walk_in
    assert not broken()
