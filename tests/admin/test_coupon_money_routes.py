"""Statements, reports and flags over HTTP: who sees what, tables for spreadsheets, closing by two people."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from console_world import Pages, bearer, make_admins, make_busy
from coupon_factories import campaign
from coupon_months import conflict, undo, use
from factories import World, make_world
from invariants import broken
from people import make_member

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.fraud import commands as fraud
from app.org import admins
from app.org.models import Store

API = "/api/admin/v1"
IN_MARCH = datetime(2026, 3, 10, 4, tzinfo=UTC)
IN_APRIL = IN_MARCH + timedelta(days=31)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def march(world: World) -> World:
    """Own store: 900, of which 300 come back in April, and a supplier's 60 of 100. A dealer's store: 500, 40 : 60."""
    back = use(world, IN_MARCH, fen=300)
    use(world, IN_MARCH, fen=600)
    use(world, IN_MARCH, fen=100, supplier="=恶意公式", supplier_bp=6000)
    use(world, IN_MARCH, store=1, fen=500, hq_bp=4000)
    undo(world, back, IN_APRIL)
    return world


def _second(world: World) -> dict[str, str]:
    with transaction():
        other = admins.create_admin(
            login="second", password="correct horse battery", name="复核", role="hq", brand_id=world.brand_id
        )
    return bearer(other)


LATER = datetime(2026, 5, 2, 4, tzinfo=UTC)


def test_each_sees_the_stores_of_their_scope(client: Any, march: World) -> None:
    users = make_admins(march)
    own, dealers = (ids.encode("sto", store.id) for store in march.stores)
    with time_machine.travel(LATER, tick=False):
        for role, codes in {"hq": 2, "region": 2, "group": 2, "dealer": 1, "store": 1}.items():
            headers = bearer(users[role])
            told = client.get(f"{API}/coupon-statements/2026-03", headers=headers).json
            assert [one["code"] for one in told["stores"]] == ["S001", "S002"][-codes:], role
            assert told["total"]["discount_fen"] == (1500 if codes == 2 else 500)
            seen = [client.get(f"{API}/coupon-statements/2026-03/{one}", headers=headers) for one in (own, dealers)]
            assert [one.status_code for one in seen] == ([200, 200] if codes == 2 else [404, 200])
            report = client.get(f"{API}/coupon-reports?from=2026-03-01&to=2026-03-31&by=store", headers=headers).json
            assert report["total"]["discount_fen"] == told["total"]["discount_fen"]
            assert {one["key"] for one in report["rows"] if one["used"]} == {own, dealers} - (
                set() if codes == 2 else {own}
            )


def test_a_month_is_told_with_its_lines_and_ends_as_tables(client: Any, march: World) -> None:
    with time_machine.travel(LATER, tick=False):
        hq = bearer(march.admin)
        told = client.get(f"{API}/coupon-statements/2026-03", headers=hq).json
        own, dealers = told["stores"]
        assert (own["used"], own["hq_fen"], own["supplier_fen"], own["suppliers"]) == (3, 940, 60, {"=恶意公式": 60})
        assert (dealers["hq_fen"], dealers["dealer_fen"], dealers["dealer"]) == (200, 300, "经销商一")
        path = f"{API}/coupon-statements/2026-03/{own['store']}"
        first = client.get(f"{path}?limit=2", headers=hq).json
        rest = client.get(f"{path}?limit=2&cursor={first['next_cursor']}", headers=hq).json
        lines = first["items"] + rest["items"]
        assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
        assert sum(line["discount_fen"] for line in lines) == own["discount_fen"]
        (april,) = client.get(f"{API}/coupon-statements/2026-04", headers=hq).json["stores"]
        assert (april["back"], april["discount_fen"], april["hq_fen"]) == (1, -300, -300)

        table = client.get(f"{path}/lines.csv", headers=hq).data.decode()
        rows = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))
        assert "'=恶意公式" in {row["供应商"] for row in rows}
        assert rows[-1] == {**dict.fromkeys(rows[0], ""), "时间": "合计", "优惠金额": "10.00", "总部承担": "9.40",
                            "经销商承担": "0.00", "供应商承担": "0.60"}  # fmt: skip
        april_table = client.get(f"{API}/coupon-statements/2026-04/stores.csv", headers=hq).data.decode()
        assert "S001,一号店,,0,1,0.00,-3.00,-3.00,-3.00,0.00,0.00" in april_table  # a number, not a disarmed formula


def _rows(answer: Any) -> list[dict[str, str]]:
    """A CSV's rows; the file came as a stream."""
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert "ETag" not in answer.headers and "Content-Length" not in answer.headers
    return list(csv.DictReader(io.StringIO(answer.data.decode().removeprefix("\ufeff"))))


def test_a_month_is_told_by_who_pays_and_adds_up_to_its_sums(client: Any, march: World) -> None:
    users, path = make_admins(march), f"{API}/coupon-statements/2026-03"
    with time_machine.travel(LATER, tick=False):
        told = client.get(path, headers=bearer(users["hq"])).json
        assert told["payers"] == [
            {"kind": "hq", "code": None, "name": None, "lines": 4, "fen": 1140},
            {"kind": "dealer", "code": "d1", "name": "经销商一", "lines": 1, "fen": 300},
            {"kind": "supplier", "code": None, "name": "=恶意公式", "lines": 1, "fen": 60},
        ]
        assert sum(one["fen"] for one in told["payers"]) == told["total"]["discount_fen"]
        theirs = client.get(path, headers=bearer(users["dealer"])).json["payers"]
        assert [(one["kind"], one["fen"]) for one in theirs] == [("hq", 200), ("dealer", 300)]
        page = Pages(client, march.admin).get("coupon-statements?month=2026-03").text
        assert "按承担方" in page and "lines.csv?dealer=d1" in page and "lines.csv?supplier=%3D" in page
        with transaction():  # the store is the brand's own now; what its dealer owed stays owed
            session.get_one(Store, march.stores[1].id).dealer_id = None
        moved = client.get(path, headers=bearer(users["hq"])).json["payers"]
        assert moved[1] == {"kind": "dealer", "code": None, "name": None, "lines": 1, "fen": 300}
        assert "门店现无经销商" in Pages(client, march.admin).get("coupon-statements?month=2026-03").text


def test_a_months_lines_are_one_file_for_all_or_for_who_pays(client: Any, march: World) -> None:
    users, path = make_admins(march), f"{API}/coupon-statements/2026-03/lines.csv"

    def told(role: str, asked: str = "") -> list[dict[str, str]]:
        return _rows(client.get(f"{path}?{asked}", headers=bearer(users[role])))

    with time_machine.travel(LATER, tick=False):
        every = told("hq")
        assert [row["门店编码"] for row in every] == ["S001", "S001", "S001", "S002", "合计"]
        assert (every[3]["门店"], every[3]["经销商"], every[3]["类型"]) == ("二号店", "经销商一", "核销")
        assert "'=恶意公式" in {row["供应商"] for row in every}
        assert every[-1] == {**dict.fromkeys(every[0], ""), "门店编码": "合计", "优惠金额": "15.00",
                             "总部承担": "11.40", "经销商承担": "3.00", "供应商承担": "0.60"}  # fmt: skip
        assert [row["优惠金额"] for row in told("hq", "supplier=%3D恶意公式")] == ["1.00", "1.00"]
        assert [row["经销商承担"] for row in told("hq", "dealer=d1")] == ["3.00", "3.00"]
        assert [row["门店编码"] for row in told("store")] == ["S002", "合计"]
        assert told("dealer", "supplier=%3D恶意公式")[0]["优惠金额"] == "0.00"
        for role, asked, status in (("hq", "dealer=no", 404), ("hq", f"supplier={'长' * 81}", 422)):
            assert client.get(f"{path}?{asked}", headers=bearer(users[role])).status_code == status
        assert client.get(f"{path}?supplier=%00", headers=bearer(users["hq"])).status_code == 422
        pages = Pages(client, march.admin)
        answer = pages.get("coupon-statements/2026-03/lines.csv?supplier=%3D恶意公式")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")
        assert [row["供应商承担"] for row in _rows(answer)] == ["0.60", "0.60"]
        assert pages.get(f"coupon-statements/2026-03/lines.csv?supplier={'长' * 81}").status_code == 404


def test_offline_conflicts_are_a_memo_beside_what_is_owed(client: Any, march: World) -> None:
    conflict(march, IN_MARCH + timedelta(days=1), store=1, fen=70)  # used in the first store before
    conflict(march, datetime(2026, 4, 30, 16, 30, tzinfo=UTC), store=1, fen=30)  # in May, of a use in April
    users, path = make_admins(march), f"{API}/coupon-statements"
    memo, count, fen = "断网冲突（不计入应收）", "断网冲突笔数（不计入应收）", "断网冲突金额（不计入应收）"
    with time_machine.travel(LATER, tick=False):
        hq, pages = bearer(users["hq"]), Pages(client, march.admin)
        told = client.get(f"{path}/2026-03", headers=hq).json
        own, dealers = told["stores"]
        assert (own["offline_conflicts"], own["offline_conflicts_fen"], own["discount_fen"]) == (0, 0, 1070)
        assert (dealers["offline_conflicts"], dealers["offline_conflicts_fen"], dealers["discount_fen"]) == (1, 70, 500)
        total = told["total"]
        assert (total["offline_conflicts"], total["offline_conflicts_fen"], total["discount_fen"]) == (1, 70, 1570)
        assert sum(one["fen"] for one in told["payers"]) == 1570

        may = client.get(f"{path}/2026-05", headers=hq).json
        assert [(one["code"], one["lines"], one["offline_conflicts_fen"]) for one in may["stores"]] == [("S002", 0, 30)]
        assert may["payers"] == [] and may["total"]["discount_fen"] == 0
        assert client.get(f"{path}/2026-05", headers=bearer(users["store"])).json["total"]["offline_conflicts"] == 1

        table = client.get(f"{path}/2026-03/stores.csv", headers=hq).data.decode().removeprefix("\ufeff")
        assert [(row[count], row[fen], row["应收合计"]) for row in csv.DictReader(io.StringIO(table))] == [
            ("0", "0.00", "10.70"), ("1", "0.70", "5.00"), ("1", "0.70", "15.70"),
        ]  # fmt: skip
        page = pages.get("coupon-statements?month=2026-03").text
        assert memo in page and "1 笔 ¥0.70" in page
        assert "1 笔 ¥0.30" in pages.get("coupon-statements?month=2026-05").text


@pytest.mark.parametrize("month", ["2026-13", "2026-3", "no-such", "2030-01", "20260301", "0001-01", "9999-12"])
def test_what_is_no_month_is_not_there(client: Any, world: World, month: str) -> None:
    path, hq = f"{API}/coupon-statements/{month}", bearer(world.admin)
    answers = [client.get(path, headers=hq), client.get(f"{path}/stores.csv", headers=hq)]
    answers.append(client.get(f"{path}/lines.csv", headers=hq))
    answers.append(client.post(f"{path}/ask", headers=hq))
    told = {(one.status_code, one.json["code"]) for one in answers}
    assert told in ({(404, "month_unknown")}, {(404, "month_unknown"), (409, "month_not_over")})  # of 2030
    assert Pages(client, world.admin).get(f"coupon-statements?month={month}").status_code == 404


@pytest.mark.parametrize("days", ["from=9999-12-31&to=9999-12-31", "from=0001-01-01&to=0001-01-01", "to=0001-01-01"])
def test_a_report_is_of_days_of_these_times(client: Any, world: World, days: str) -> None:
    assert client.get(f"{API}/coupon-reports?{days}", headers=bearer(world.admin)).status_code == 422


def test_two_people_close_a_month(client: Any, march: World) -> None:
    path = f"{API}/coupon-statements/2026-03"
    with time_machine.travel(LATER, tick=False):
        one, other = bearer(march.admin), _second(march)
        asked = client.post(f"{path}/ask", headers=one).json
        assert asked["status"] == "asked" and asked["asked_by"] == ids.encode("adm", march.admin.id)
        body = {"digest": asked["digest"]}
        refused = client.post(f"{path}/close", json=body, headers=one)
        assert (refused.status_code, refused.json["code"]) == (409, "second_closer_needed")
        wrong = client.post(f"{path}/close", json={"digest": "0" * 64}, headers=other)
        assert (wrong.status_code, wrong.json["code"]) == (409, "statement_changed")
        assert client.get(path, headers=one).json["status"] == "asked"
        closed = client.post(f"{path}/close", json=body, headers=other).json
        assert (closed["status"], closed["digest"]) == ("closed", asked["digest"])
        assert client.get(path, headers=one).json["total"]["discount_fen"] == 1500
        log = client.get(f"{API}/audit?subject=2026-03", headers=one).json["items"]
        assert [entry["action"] for entry in log] == ["coupons.month_closed", "coupons.month_asked"]
        before = client.get(f"{API}/coupon-statements/2026-02", headers=one).json
        assert (before["status"], before["closed_by"], before["stores"]) == ("closed", None, [])
        page = Pages(client, march.admin).get("coupon-statements?month=2026-02").text
        assert "本月不再单独关账" in page and "提交关账" not in page
    assert broken("coupons") == []


def test_a_report_by_everything_is_one_sum(client: Any, app: Any) -> None:
    busy = make_busy()
    hq = bearer(busy.world.admin)
    for by in ("campaign", "store", "guide", "source", "channel", "day"):
        told = client.get(f"{API}/coupon-reports?by={by}", headers=hq).json
        total = told["total"]
        assert (total["issued"], total["issued_by"], total["used_bp"], total["used"]) == (1, {"sop": 1}, 10_000, 1), by
        assert (total["discount_fen"], total["hq_fen"], total["orders"], total["sales_fen"]) == (2000, 2000, 1, 28000)
        for name in ("issued", "used", "discount_fen", "orders", "sales_fen"):
            assert sum(row[name] for row in told["rows"]) == total[name], (by, name)
    assert told["baskets"] == {
        "orders": 3, "sales_fen": 34000, "coupon_orders": 1, "coupon_sales_fen": 28000, "with_fen": 28000,
        "without_fen": 3000,
    }  # fmt: skip
    table = client.get(f"{API}/coupon-reports.csv?by=campaign", headers=hq).data.decode()
    assert "春日满减,1,100.00%,1,0,0,0,20.00,20.00,0.00,0.00,1,280.00" in table
    campaign = ids.encode("cmp", busy.campaign)
    narrow = f"{API}/coupon-reports?by=store&campaign={campaign}&store=S001&source=sop"
    assert client.get(narrow, headers=hq).json["total"]["used"] == 1
    assert client.get(f"{API}/coupon-reports?by=store&source=self", headers=hq).json["total"]["used"] == 0
    assert client.get(f"{API}/coupon-reports?store=S009", headers=hq).status_code == 404
    assert client.get(f"{API}/coupon-reports?from=2026-03-02&to=2026-03-01", headers=hq).status_code == 422


def test_the_report_narrows_to_a_guide_and_says_what_cannot_be_measured(client: Any, world: World) -> None:
    campaign_id = campaign(world)
    with transaction():
        member_id = make_member(world, store=world.store)
        commands.issue(
            brand_id=world.brand_id,
            member_id=member_id,
            campaign_id=campaign_id,
            source="guide",
            source_ref="guide:1",
            guide_id=world.guides[0].id,
        )
    users = make_admins(world)
    hq = Pages(client, users["hq"])
    first, second = (ids.encode("gde", one.id) for one in world.guides[:2])
    page = hq.get("coupon-report").text
    assert f'<option value="{first}">{world.guides[0].name}（{world.store.name}）' in page
    assert "导购和使用渠道的效果提升无法衡量" in page and ">券活动</a>中各活动的活动效果" in page
    mine, other = (hq.get(f"coupon-report?by=campaign&guide={one}").text for one in (first, second))
    assert f'<option value="{first}" selected>' in mine and '<th scope="row">立减券</th>' in mine
    assert "该期间没有券的发放或使用" in other
    public = ids.encode("cmp", campaign_id)
    assert f'href="/console/campaigns/{public}#lift"' in hq.get(f"coupon-report?campaign={public}").text
    seen = Pages(client, users["store"]).get("coupon-report").text  # of the second store
    assert first not in seen and ids.encode("gde", world.guides[2].id) in seen


def _flag(world: World, **values: Any) -> None:
    with transaction():
        fraud.flag(
            brand_id=world.brand_id,
            **{"rule": "store_redeems", "subject": "store:1", "window_from": clock.now(), "count": 3, "evidence": {}}
            | values,
        )


def test_a_flag_is_decided_once_by_those_who_see_it(client: Any, world: World) -> None:
    users = make_admins(world)
    _flag(world, store_id=world.stores[1].id)
    _flag(world, subject="address:abc", rule="claim_burst")
    region, hq = bearer(users["region"]), bearer(users["hq"])
    assert len(client.get(f"{API}/coupon-flags", headers=hq).json["items"]) == 2
    (flag,) = client.get(f"{API}/coupon-flags", headers=region).json["items"]
    assert client.get(f"{API}/coupon-flags", headers=bearer(users["store"])).status_code == 403
    path = f"{API}/coupon-flags/{flag['id']}/decision"
    done = client.post(path, json={"status": "confirmed", "words": "店员承认刷券"}, headers=region).json
    assert (done["status"], done["words"]) == ("confirmed", "店员承认刷券")
    again = client.post(path, json={"status": "cleared", "words": "算了"}, headers=hq)
    assert (again.status_code, again.json["code"]) == (409, "flag_decided")
    assert [one["id"] for one in client.get(f"{API}/coupon-flags?status=confirmed", headers=hq).json["items"]] == [
        flag["id"]
    ]


def test_rules_and_guides_numbers_are_headquarters(client: Any, world: World) -> None:
    hq = bearer(world.admin)
    rules = {one["kind"]: one for one in client.get(f"{API}/coupon-fraud-rules", headers=hq).json["items"]}
    assert rules["member_redeems"]["threshold"] == 5
    changed = client.put(
        f"{API}/coupon-fraud-rules/member_redeems",
        json={"threshold": 2, "window_seconds": 600, "active": False},
        headers=hq,
    ).json
    assert changed == {
        "kind": "member_redeems",
        "subject": "member",
        "threshold": 2,
        "window_seconds": 600,
        "active": False,
    }
    guide = ids.encode("gde", world.guide.id)
    assert (
        client.put(f"{API}/coupon-fraud-rules/no-such", json={"threshold": 2, "window_seconds": 60}, headers=hq).json[
            "code"
        ]
        == "fraud_rule_unknown"
    )
    told = client.put(f"{API}/guide-phones/{guide}", json={"phone": "13811112222"}, headers=hq).json
    assert told == {"items": [{"guide": guide, "name": world.guide.name, "phone": "*******2222"}]}
    assert client.put(f"{API}/guide-phones/{guide}", json={"phone": "12"}, headers=hq).status_code == 422
    assert client.put(f"{API}/guide-phones/{guide}", json={"phone": ""}, headers=hq).json == {"items": []}
