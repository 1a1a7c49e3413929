"""Refunds: history in files and one from a till by the same command; never more than was paid, whoever comes first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from at_once import at_once
from factories import make_world
from import_files import an_import, csv_of, faults_of
from invariants import broken
from people import make_member
from sqlalchemy import func, select, text

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.sales import commands as sales
from app.sales.errors import RefundChanged, RefundLineUnknown, RefundTooMuch
from app.sales.models import OrderLine, Refund, SalesOrder
from app.sales.refunds import BackLine, RefundData, record_refund, record_refunds
from app.sales.rules import LineData, OrderData

ORDER = ["order_no", "store", "paid_at", "line_no", "sku", "quantity", "amount", "paid"]
HEAD = ["退款单号", "订单号", "退款时间", "行号", "退款金额", "数量", "原因"]


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def _orders(world) -> None:  # type: ignore[no-untyped-def]
    line = {"store": "S001", "paid_at": "2024-05-01", "sku": "A", "quantity": 1, "amount": "100.00", "paid": "90.00"}
    rows = [line | {"order_no": no, "line_no": n} for no in ("A1", "A2") for n in (1, 2)]
    an_import(world, "order_lines", csv_of(ORDER, [*rows, line | {"order_no": "A3", "line_no": 1}]))


def _row(no: str, order: str, line: int | None, amount: str, **changed: object) -> dict[str, object]:
    told = {
        "退款单号": no,
        "订单号": order,
        "退款时间": "2024-05-03 09:00",
        "行号": line,
        "退款金额": amount,
        "数量": 1,
    }
    return told | changed


def _order(no: str) -> SalesOrder:
    session.expire_all()
    return session.scalars(select(SalesOrder).where(SalesOrder.order_no == no)).one()


def test_refunds_by_line_and_of_whole_orders(app, world) -> None:
    _orders(world)
    with transaction():
        events = session.scalar(select(func.count()).select_from(Outbox))
    rows = [
        _row("R1", "A1", 1, "40.00", 原因="尺码不合适"),
        _row("R2", "A1", 1, "50.00"),
        _row("R2", "A1", 2, "90.00"),
        _row("R3", "A2", None, "180.00"),
        _row("R4", "A3", None, "10.00"),
    ]
    job = an_import(world, "refunds", csv_of(HEAD, rows))
    assert (job.created, job.refused) == (4, 0)
    found = {no: (_order(no).refunded_fen, _order(no).status) for no in ("A1", "A2", "A3")}
    assert found == {"A1": (18000, "refunded"), "A2": (18000, "refunded"), "A3": (1000, "paid")}
    first = session.scalars(select(Refund).where(Refund.refund_no == "R1")).one()
    assert (first.reason, first.import_id, first.refunded_fen) == ("尺码不合适", job.job_id, 4000)
    again = an_import(world, "refunds", csv_of(HEAD, rows))
    assert (again.created, again.unchanged, again.refused) == (0, 4, 0)
    assert set(session.scalars(select(Outbox.name).order_by(Outbox.id).offset(events))) == {"imports.finished"}
    assert not broken("sales", "imports")


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        (_row("R9", "A1", 1, "90.01"), "refund_too_much", "退款 90.01 超过可退金额 90.00"),
        (_row("R9", "A1", 7, "1.00"), "refund_line_unknown", "第 7 行"),
        (_row("R9", "A9", 1, "1.00"), "order_unknown", "A9"),
        (_row("R9", "A1", None, "10.00"), "line_needed", "行号"),
        (_row("R9", "A1", 1, "-1"), "not_money", "金额"),
        (_row("R9", "A1", 1, "1.00", 退款时间=None), "needed", "退款时间"),
    ],
)
def test_a_bad_refund_is_refused_and_the_others_are_not(app, world, row, code, words) -> None:
    _orders(world)
    job = an_import(world, "refunds", csv_of(HEAD, [_row("R1", "A2", 1, "1.00"), row, _row("R2", "A2", 2, "1.00")]))
    assert (job.created, job.refused) == (2, 1)
    (fault,) = faults_of(job)
    assert (fault.row_no, fault.code) == (3, code) and words in fault.message
    assert not broken("sales")


def test_refunds_of_one_file_cannot_sum_over_the_order(app, world) -> None:
    _orders(world)
    rows = [_row(f"R{n}", "A1", 1, "40.00") for n in range(4)]
    job = an_import(world, "refunds", csv_of(HEAD, rows))
    assert (job.created, job.refused) == (2, 2)
    assert "可退金额 10.00" in faults_of(job)[0].message
    changed = an_import(world, "refunds", csv_of(HEAD, [_row("R0", "A1", 1, "41.00")]))
    assert [one.code for one in faults_of(changed)] == ["refund_changed"]
    assert not broken("sales")


def test_a_refund_is_whole_or_not_at_all(app, world) -> None:
    _orders(world)
    rows = [_row("R1", "A1", 1, "10.00"), _row("R1", "A1", 2, "90.01")]
    job = an_import(world, "refunds", csv_of(HEAD, rows))
    assert (job.created, job.refused, _order("A1").refunded_fen) == (0, 2, 0)
    assert [(one.row_no, one.code) for one in faults_of(job)] == [(2, "refund_refused"), (3, "refund_too_much")]


def test_an_order_with_refunds_is_not_changed_by_a_file(app, world) -> None:
    _orders(world)
    an_import(world, "refunds", csv_of(HEAD, [_row("R1", "A3", 1, "10.00")]))
    line = {"order_no": "A3", "store": "S001", "paid_at": "2024-05-01", "line_no": 1, "sku": "A", "quantity": 1}
    job = an_import(world, "order_lines", csv_of(ORDER, [line | {"amount": "100.00", "paid": "80.00"}]))
    assert [one.code for one in faults_of(job)] == ["order_refunded"]


def _paid_live(world, member: int) -> SalesOrder:  # type: ignore[no-untyped-def]
    line = LineData(line_no=1, sku="A", name="A", category="", quantity=2, unit_fen=500, amount_fen=1000)
    order = OrderData(
        source="till:S001", order_no="L1", store_id=world.store.id, paid_at=datetime.now(UTC), lines=(line,)
    )
    with transaction():
        done = sales.record_order(brand_id=world.brand_id, member_id=member, order=order)
    return session.get_one(SalesOrder, (world.brand_id, member, done.order_id))


def _refund(order: SalesOrder, no: str, fen: int, line_no: int = 1) -> RefundData:
    return RefundData(
        source="till:S001",
        refund_no=no,
        member_id=order.member_id,
        order_id=order.order_id,
        refunded_at=datetime(2026, 1, 1, tzinfo=UTC),
        lines=(BackLine(line_no=line_no, refunded_fen=fen, quantity=1),),
    )


def test_a_live_refund_tells_once_and_refuses_what_is_too_much(app, world) -> None:
    with transaction():
        member = make_member(world)
    order = _paid_live(world, member)
    with transaction():
        assert record_refund(brand_id=world.brand_id, refund=_refund(order, "R1", 400)).new
    with transaction():
        assert not record_refund(brand_id=world.brand_id, refund=_refund(order, "R1", 400)).new
    for refund, error in (
        (_refund(order, "R1", 401), RefundChanged),
        (_refund(order, "R2", 601), RefundTooMuch),
        (_refund(order, "R2", 1, line_no=2), RefundLineUnknown),
    ):
        with pytest.raises(error), transaction():
            record_refund(brand_id=world.brand_id, refund=refund)
    events = session.scalars(select(Outbox.payload).where(Outbox.name == "sales.order_refunded")).all()
    assert [(one["refunded_fen"], one["left_fen"]) for one in events] == [(400, 600)]
    assert not broken("sales")


def test_a_file_tells_of_live_orders_and_moves_nobody_for_history(app, world) -> None:
    """An ERP that knows the refunds of what tills uploaded: coupons and gifts of those orders follow."""
    with transaction():
        member = make_member(world)
    order = _paid_live(world, member)
    _orders(world)
    an_import(world, "refunds", csv_of(HEAD, [_row("H1", "A1", 1, "10.00")]))
    paid = f"{order.paid_at:%Y-%m-%d %H:%M}"
    live = _row("R1", "L1", 1, "4.00", 门店="S001", 退款时间=paid)
    job = an_import(world, "refunds", csv_of([*HEAD, "门店"], [live]), source="till")
    assert faults_of(job) == []
    events = session.scalars(select(Outbox.payload).where(Outbox.name == "sales.order_refunded")).all()
    assert [(one["order_id"], one["refunded_fen"]) for one in events] == [(order.order_id, 400)]


def test_of_several_refunds_of_one_order_each_says_what_it_leaves(app, world) -> None:
    with transaction():
        member = make_member(world)
    order = _paid_live(world, member)
    with transaction():
        record_refunds(brand_id=world.brand_id, refunds=[_refund(order, f"R{fen}", fen) for fen in (100, 200)])
    told = session.scalars(select(Outbox.payload).where(Outbox.name == "sales.order_refunded")).all()
    assert sorted(one["left_fen"] for one in told) == [700, 900]


def test_refunds_at_once_never_give_back_more_than_was_paid(app, world) -> None:
    with transaction():
        member = make_member(world)
    order = _paid_live(world, member)
    brand = world.brand_id

    def back(no: int) -> bool:
        with transaction():
            return record_refund(brand_id=brand, refund=_refund(order, f"R{no}", 300)).new

    answers = at_once(app, [lambda n=n: back(n) for n in range(8)])
    assert answers.count(True) == 3 and answers.count("refund_too_much") == 5
    session.expire_all()
    assert session.scalar(select(func.sum(Refund.refunded_fen))) == 900 == _order("L1").refunded_fen
    assert not broken("sales")


def test_without_the_guard_as_many_give_back_too_much(app, world) -> None:
    """The twin: what is left is read first and written later, with no lock and no constraint between."""
    with transaction():
        session.execute(text("ALTER TABLE order_line DROP CONSTRAINT ck_order_line_refunded"))
    try:
        with transaction():
            member = make_member(world)
        order = _paid_live(world, member)
        key = {"brand": world.brand_id, "order": order.order_id}

        def naive() -> bool:
            with transaction():
                left = session.scalar(
                    select(OrderLine.paid_fen - OrderLine.refunded_fen).where(OrderLine.order_id == key["order"])
                )
                session.execute(text("SELECT pg_sleep(0.2)"))
                if left is None or left < 300:
                    return False
                session.execute(
                    text("UPDATE order_line SET refunded_fen = refunded_fen + 300 WHERE order_id = :order"), key
                )
                return True

        answers = at_once(app, [naive] * 8)
        assert answers.count(True) > 3
    finally:
        with transaction():
            session.execute(text("UPDATE order_line SET refunded_fen = 0"))
            session.execute(
                text(
                    "ALTER TABLE order_line ADD CONSTRAINT ck_order_line_refunded"
                    " CHECK (refunded_fen BETWEEN 0 AND paid_fen)"
                )
            )


def test_one_number_at_once_is_one_refund(app, world) -> None:
    with transaction():
        member = make_member(world)
    order = _paid_live(world, member)
    brand = world.brand_id

    def back() -> bool:
        with transaction():
            return record_refund(brand_id=brand, refund=_refund(order, "R1", 100)).new

    answers = at_once(app, [back] * 6)
    assert answers.count(True) == 1 and set(answers) <= {True, False}
    assert _order("L1").refunded_fen == 100
