"""The console's pages of campaigns: a draft from the form, its steps with reasons, its supply, what each role sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from console_world import Pages, make_admins
from factories import World, make_world
from invariants import broken

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import Campaign
from app.coupons.rules import Terms
from app.org.models import AdminUser

FORM = {
    "name": "秋冬满减券",
    "code": "AW26",
    "kind": "threshold",
    "amount": "50",
    "threshold": "300",
    "starts": "2026-12-01",
    "ends": "2087-01-31",
    "weekdays": ["1", "2", "3", "4", "5"],
    "hours": "9:30-12:00，14:00至21:00",
    "stores": ["S001"],
    "channels": ["till", "desk"],
    "except_categories": "袜子、饰品",
    "quota": "1,000",
    "per_member": "2",
    "hq_share": "60",
}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


@pytest.fixture
def hq(client: Any, admins: dict[str, AdminUser]) -> Pages:
    return _pages(client, admins["hq"])


def _pages(client: Any, admin: AdminUser) -> Pages:
    return Pages(client, admin, "/console/campaigns")


def _campaign(world: World) -> tuple[Campaign, Terms]:
    with transaction():
        row = session.query(Campaign).one()
        return row, queries.version_terms(world.brand_id, row.campaign_id, row.version)


def test_the_form_becomes_a_draft_with_these_terms(world: World, hq: Pages) -> None:
    made = hq.post("/new", **FORM)
    assert made.status_code == 303, made.text
    row, terms = _campaign(world)
    assert (row.status, row.name, row.code, row.claimable) == ("draft", "秋冬满减券", "AW26", False)
    assert (terms.amount_fen, terms.threshold_fen, terms.per_member, terms.hq_bp) == (5000, 30000, 2, 6000)
    assert terms.hours == (("09:30", "12:00"), ("14:00", "21:00")) and terms.weekdays == {1, 2, 3, 4, 5}
    assert terms.store_ids == {world.store.id} and terms.channels == {"till", "desk"}
    assert terms.except_categories == {"袜子", "饰品"}
    assert terms.starts_at and terms.starts_at.isoformat() == "2026-12-01T00:00:00+08:00"
    assert terms.ends_at and terms.ends_at.isoformat() == "2087-02-01T00:00:00+08:00"
    text = hq.client.get(made.headers["Location"]).text
    for told in (
        "满¥300减¥50",
        "仅限一号店使用",
        "周一至周五可用",
        "不含品类：袜子、饰品",
        "2087年1月31日前有效",
        "草稿",
    ):
        assert told in text
    assert broken() == []


def test_a_form_sent_twice_is_one_campaign(world: World, hq: Pages) -> None:
    first, second = (hq.post("/new", **(FORM | {"key": "same-form-1"})) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    taken = hq.post("/new", **FORM)
    assert taken.status_code == 409 and "活动编码已被使用" in taken.text and 'value="秋冬满减券"' in taken.text


def test_the_words_are_looked_at_before_anything_is_made(world: World, hq: Pages) -> None:
    looked = hq.post("/new", **(FORM | {"look": "1"}))
    assert looked.status_code == 200 and "顾客看到的券" in looked.text and "仅限一号店使用" in looked.text
    assert "全部核销最多优惠 ¥50,000.00" in looked.text
    assert "优惠总额随订单金额而定" in hq.post("/new", **(FORM | {"look": "1", "kind": "percent", "folds": "8.5"})).text
    with transaction():
        assert session.query(Campaign).count() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "请检查：活动名称。"),
        ({"quota": ""}, "发行总量不正确"),
        ({"quota": "-1"}, "发行总量不正确"),
        ({"amount": "五十"}, "优惠金额不正确"),
        ({"amount": ""}, "请检查：优惠金额。"),
        ({"kind": "percent", "folds": "11"}, "折扣不正确"),
        ({"kind": "percent"}, "请检查：折扣。"),
        ({"kind": "gift"}, "请检查：兑换商品。"),
        ({"ends": ""}, "请检查：结束日期或有效天数。"),
        ({"ends": "2027-02-30"}, "结束日期不正确"),
        ({"ends": "2026-11-01"}, "请检查：结束日期。"),
        ({"ends": "9999-12-30"}, "结束日期不正确，请按 2027-01-31 填写，年份须在 2000 至 2099 之间。"),
        ({"starts": "0001-01-01"}, "开始日期不正确"),
        ({"hours": "早上"}, "可用时段不正确"),
        ({"hours": "22:00-02:00"}, "请检查：可用时段。"),
        ({"stores": ["S404"]}, "请检查：适用门店。"),
        ({"only_days": "明天"}, "请检查：仅限日期。"),
        ({"hq_share": "120"}, "总部承担不正确"),
        ({"supplier_share": "20"}, "请检查：供应商承担。"),
        ({"kind": "nonsense"}, "请检查：券类型。"),
    ],
)
def test_a_wrong_form_names_the_field(hq: Pages, change: dict[str, Any], words: str) -> None:
    answer = hq.post("/new", **(FORM | change))
    assert answer.status_code == 422 and words in answer.text, answer.text[:3000]
    assert 'value="300"' in answer.text


def test_a_form_whose_time_is_over_is_shown_again(world: World, hq: Pages) -> None:
    answer = hq.post("/new", **(FORM | {"starts": "2020-01-01", "ends": "2020-01-31"}))
    assert answer.status_code == 409 and "活动的结束日期已过，请改为将来的日期。" in answer.text
    assert 'value="2020-01-31"' in answer.text


def test_steps_with_their_reasons_and_a_second_person(
    client: Any, world: World, hq: Pages, admins: dict[str, AdminUser]
) -> None:
    with transaction():
        commands.set_policy(brand_id=world.brand_id, approve_quota=500, approve_budget_fen=None)
    home = hq.post("/new", **FORM).headers["Location"].removeprefix("/console/campaigns")
    assert hq.post(home, step="submit").status_code == 303
    assert "待审批" in hq.get(home).text and "以外的同事审批" in hq.get(home).text
    alone = hq.post(home, step="approve")
    assert alone.status_code == 409 and "须由提交人以外的同事审批" in alone.text
    second = _pages(client, world.admin)
    assert second.post(home, step="approve").status_code == 303
    assert second.post(home, step="pause").status_code == 422
    assert "请填写原因。" in second.post(home, step="pause", reason=" ").text
    assert second.post(home, step="pause", reason="收银系统升级").status_code == 303
    text = second.get(home).text
    assert "收银系统升级" in text and "进行中 → 已暂停" in text and "恢复" in text
    assert second.post(home, step="resume").status_code == 303
    wrong = second.post(home, step="approve")
    assert wrong.status_code == 409 and "活动当前的状态不能这样操作。" in wrong.text
    assert second.post(home, step="activate").status_code == 404
    assert second.post(home, step="void", reason="条款有误").status_code == 303
    row, _ = _campaign(world)
    assert row.status == "voided" and "已作废" in second.get(home).text
    assert broken() == []


def test_a_page_approves_what_it_shows(
    client: Any, world: World, hq: Pages, admins: dict[str, AdminUser]
) -> None:
    with transaction():
        commands.set_policy(brand_id=world.brand_id, approve_quota=500, approve_budget_fen=None)
    home = hq.post("/new", **FORM).headers["Location"].removeprefix("/console/campaigns")
    hq.post(home, step="submit")
    second = _pages(client, world.admin)
    opened = _seen(second.get(home).text)
    hq.post(f"{home}/supply", more="900000000")
    hq.post(home, step="submit")
    late = second.post(home, step="approve", seen=opened)
    assert late.status_code == 409 and "活动内容已有变化，请核对后再审批。" in late.text
    assert "/ 900,001,000" in late.text and _campaign(world)[0].status == "submitted"
    assert second.post(home, step="approve", seen=_seen(late.text)).status_code == 303
    assert _campaign(world)[0].status == "active"


def _seen(page: str) -> str:
    return page.split('name="seen" value="')[1].split('"')[0]


def test_supply_is_set_once_and_says_what_is_wrong(world: World, hq: Pages) -> None:
    home = hq.post("/new", **(FORM | {"budget": "8000", "stores": []})).headers["Location"]
    home = home.removeprefix("/console/campaigns")
    for _ in range(2):
        assert hq.post(f"{home}/supply", more="500", day_quota="100", key="supply-once").status_code == 303
    assert hq.post(f"{home}/supply", store="S001", part="300").status_code == 303
    text = hq.get(home).text
    assert "/ 1,500" in text and "追加 500 张" in text and "一号店 300 张" in text and "/ ¥8,000.00" in text
    for form, words in (
        ({}, "请填写要调整的内容。"),
        ({"more": "x"}, "追加库存不正确"),
        ({"more": "9999999999"}, "请检查填写的数量。"),
        ({"day_quota": "9999999999"}, "请检查填写的数量。"),
        ({"store": "S001", "part": "9999999999"}, "请检查填写的数量。"),
        ({"store": "S404", "part": "5"}, "没有找到这家门店。"),
        ({"store": "S001", "part": "5000"}, "分配给门店的数量超过活动库存 1500 张"),
    ):
        answer = hq.post(f"{home}/supply", **form)
        assert answer.status_code in (409, 422) and words in answer.text, form
    assert broken() == []


def test_what_guides_may_give_a_day_is_set_on_the_page(world: World, hq: Pages) -> None:
    home = hq.post("/new", **FORM).headers["Location"].removeprefix("/console/campaigns")
    assert "导购发券额度</h2><span class=\"muted\">不限" in hq.get(home).text
    for told, words in (("20", "每位导购每天 20 张"), ("0", "导购不可发"), ("", "不限")):
        assert hq.post(f"{home}/guide-limit", per_day=told).status_code == 303
        assert words in hq.get(home).text
    for told in ("-1", "很多", "2000000"):
        wrong = hq.post(f"{home}/guide-limit", per_day=told)
        assert wrong.status_code == 422 and "导购每日额度" in wrong.text


def test_the_size_that_a_second_person_approves_is_set_on_the_list(world: World, hq: Pages) -> None:
    policy = Pages(hq.client, world.admin)
    assert policy.post("campaign-policy", quota="5,000", budget="20000.50").status_code == 303
    with transaction():
        assert queries.policy(world.brand_id) == (5_000, 2_000_050)
    page = policy.get("campaigns").text
    assert 'value="5000"' in page and 'value="20000.50"' in page
    assert policy.post("campaign-policy", quota="", budget="").status_code == 303
    with transaction():
        assert queries.policy(world.brand_id) == (None, None)
    wrong = policy.post("campaign-policy", quota="x")
    assert wrong.status_code == 422 and "发行总量不正确" in wrong.text


def test_each_role_sees_what_is_theirs(client: Any, world: World, hq: Pages, admins: dict[str, AdminUser]) -> None:
    home = hq.post("/new", **(FORM | {"stores": []})).headers["Location"].removeprefix("/console/campaigns")
    for store, part in (("S001", "300"), ("S002", "200")):
        hq.post(f"{home}/supply", store=store, part=part)
    store = _pages(client, admins["store"])
    text = store.get(home).text
    assert "二号店" in text and "1 家门店" in text and "调整供给" not in text and 'name="step"' not in text
    assert "新建活动" not in store.get("").text and "新建活动" in hq.get("").text
    assert store.post(home, step="submit").status_code == 403 and store.get("/new").status_code == 403
    abroad = make_world()
    stranger = _pages(client, make_admins(abroad)["hq"])
    assert stranger.get(home).status_code == 404 and stranger.post(home, step="submit").status_code == 404
    assert stranger.get(f"/{ids.encode('cmp', 5)}").status_code == 404


def test_new_terms_begin_as_the_old_ones_and_leave_what_is_out(world: World, hq: Pages) -> None:
    given = FORM | {"stores": ["S002"], "except_stores": ["S001"], "dealers": [world.dealer.code], "amount": "49.9"}
    home = hq.post("/new", **given).headers["Location"].removeprefix("/console/campaigns")
    campaign_id, was = _campaign(world)[0].campaign_id, _campaign(world)[1]
    assert (was.dealer_ids, was.except_store_ids) == ({world.dealer.id}, {world.store.id})
    with transaction():  # as an ERP may set it, by the minute
        timed = replace(was, ends_at=datetime(2027, 1, 15, 10, 30, tzinfo=UTC))
        commands.revise(brand_id=world.brand_id, campaign_id=campaign_id, terms=timed)
    page = hq.get(f"{home}/terms").text
    form = _form_of(page)
    assert (form["amount"], form["threshold"], form["ends"], form["hq_share"]) == ("49.9", "300", "2027-01-15", "60")
    assert hq.post(f"{home}/terms", **form).status_code == 303  # nothing was changed
    assert _campaign(world)[0].version == 2
    looked = hq.post(f"{home}/terms", **(form | {"amount": "60", "look": "1"}))
    assert "满¥300减¥60" in looked.text and "已发出的券仍按领取时的条款执行" in looked.text
    assert hq.post(f"{home}/terms", **(form | {"amount": "60"})).status_code == 303
    row, now = _campaign(world)
    assert row.version == 3 and now == replace(timed, amount_fen=6000)
    text = hq.get(home).text
    assert "满¥300减¥49.90" in text and "满¥300减¥60" in text and "修改条款" in text
    wrong = hq.post(f"{home}/terms", **(form | {"ends": "2026-11-30"}))
    assert wrong.status_code == 422 and "请检查：结束日期。" in wrong.text
    hq.post(home, step="end", reason="不办了")
    closed = hq.post(f"{home}/terms", **(form | {"amount": "70"}))
    assert closed.status_code == 409 and "活动当前的状态不能这样操作。" in closed.text
    assert broken() == []


@pytest.mark.parametrize(
    "terms",
    [
        Terms(kind="percent", percent_bp=1550, cap_fen=9990, valid_days=7, wait_days=2, grace_days=3, returns="never"),
        Terms(kind="gift", gift_skus=frozenset({"A", "B"}), valid_days=1, stack_group="礼", transferable=True),
        Terms(kind="shipping", ends_at=datetime(2027, 1, 1, tzinfo=UTC), channels=frozenset({"mall"}), per_day=1),
        Terms(
            kind="amount", amount_fen=1, valid_days=3, supplier="某某乳业", supplier_bp=3333, hq_bp=0, per_month=4,
            hours=(("00:00", "09:05"),), weekdays=frozenset({7}), only_days=frozenset({date(2027, 5, 1)}),
            except_days=frozenset({date(2027, 2, 17)}), skus=frozenset({"S-1"}), except_categories=frozenset({"袜子"}),
        ),
    ],
)  # fmt: skip
def test_a_form_says_all_that_terms_say(world: World, hq: Pages, terms: Terms) -> None:
    with transaction():
        campaign_id = commands.create_campaign(
            brand_id=world.brand_id, code="X", name="X", terms=terms, quota=1, status="draft"
        )
    home = f"/{ids.encode('cmp', campaign_id)}/terms"
    assert hq.post(home, **_form_of(hq.get(home).text)).status_code == 303
    row, now = _campaign(world)
    assert row.version == 1 and now == terms
    assert hq.post(home, **(_form_of(hq.get(home).text) | {"per_week": "2"})).status_code == 303
    assert _campaign(world)[1] == replace(terms, per_week=2)


class _Form(HTMLParser):
    """What a browser would send of the form of a campaign: values as they stand there."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, Any] = {}
        self.choosing = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        told = dict(attrs)
        if tag == "select":
            self.choosing = told["name"]
        elif tag == "option" and ("selected" in told or not self.sent.get(self.choosing) and self.choosing in ONE_OF):
            kept = [] if self.choosing in ONE_OF else self.sent.get(self.choosing, [])
            self.sent[self.choosing] = [*kept, told["value"]]
        elif tag == "input" and told.get("type") == "checkbox":
            if "checked" in told:
                self.sent[told["name"]] = [*self.sent.get(told["name"], []), told["value"]]
        elif tag == "input":
            self.sent[told["name"]] = told.get("value") or ""


ONE_OF = ("kind", "returns")  # lists of which the first is chosen when none is


def _form_of(page: str) -> dict[str, Any]:
    form = _Form()
    form.feed(page[page.index('<form class="campaign"') :].split("</form>")[0])
    return {name: value for name, value in form.sent.items() if name != "csrf_token"}


def test_the_list_is_filtered_by_state(hq: Pages) -> None:
    hq.post("/new", **FORM)
    assert "秋冬满减券" in hq.get("?status=draft").text
    assert "没有这个状态的活动" in hq.get("?status=active").text
    assert hq.get("?status=nonsense").status_code == 200
