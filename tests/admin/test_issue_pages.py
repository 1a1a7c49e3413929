"""The console's pages of pushes, gift rules and redeem codes: what the API does, from forms, once for each key."""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_world import Pages, make_admins
from coupon_factories import campaign, coupon
from factories import World, make_world
from invariants import broken
from people import make_member

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.issue_models import CouponPush, GiftRule, RedeemBatch
from app.org.models import AdminUser
from app.segments import commands as segments

EVERYBODY = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


@pytest.fixture
def hq(client: Any, admins: dict[str, AdminUser]) -> Pages:
    return Pages(client, admins["hq"])


@pytest.fixture
def segment(world: World) -> str:
    with transaction():
        for _ in range(12):
            make_member(world)
        return ids.encode("seg", segments.save_segment(brand_id=world.brand_id, name="所有会员", rule=EVERYBODY))


def _campaign(world: World, **terms: Any) -> str:
    return ids.encode("cmp", campaign(world, **terms))


def _key(page: str) -> str:
    found = re.search(r'name="key" value="([\w-]+)"', page)
    assert found
    return found[1]


def test_a_push_is_looked_at_confirmed_and_done_once(world: World, hq: Pages, segment: str, run_work: Any) -> None:
    form = {"campaign": _campaign(world), "segment": segment, "hold_out": "50"}
    looked = hq.post("coupon-pushes", **form)
    assert looked.status_code == 200 and "确认推送" in looked.text and "库存不足" not in looked.text
    with transaction():
        assert session.query(CouponPush).count() == 0
    for _ in range(2):  # pressed twice
        pressed = hq.post("coupon-pushes", act="push", key=_key(looked.text), **form)
        assert pressed.status_code == 303
    run_work()
    with transaction():
        (push,) = session.query(CouponPush)
    assert push.status == "done" and push.issued + push.held_out == 12 and push.hold_out_bp == 5000
    assert "已完成" in hq.get("coupon-pushes").text
    page = hq.get(f"coupon-pushes/{ids.encode('psh', push.push_id)}").text
    assert f'data-count="issued">{push.issued}<' in page and "推送效果" in page and "购买率变化" in page
    assert broken() == []


def test_a_push_stops_and_goes_on(world: World, hq: Pages, segment: str, run_work: Any) -> None:
    narrow = campaign(world, quota=5)
    looked = hq.post("coupon-pushes", campaign=ids.encode("cmp", narrow), segment=segment)
    assert "有 7 人将领不到" in looked.text and "确认推送 5 张" in looked.text
    hq.post("coupon-pushes", campaign=ids.encode("cmp", narrow), segment=segment, act="push", key=_key(looked.text))
    run_work()
    with transaction():
        (push,) = session.query(CouponPush)
        commands.add_stock(brand_id=world.brand_id, campaign_id=narrow, more=20, actor="test")
    home = f"coupon-pushes/{ids.encode('psh', push.push_id)}"
    assert "券已发完，追加库存后可继续" in hq.get(home).text
    assert hq.post(home, act="resume").status_code == 303
    run_work()
    page = hq.get(home).text
    assert 'data-count="issued">12<' in page and "继续推送" not in page and "没有设对照组" in page
    ended = hq.post(home, act="stop")
    assert ended.status_code == 409 and "这次推送当前不能这样操作。" in ended.text
    assert hq.post(home, act="nonsense").status_code == 404
    assert hq.get("coupon-pushes/psh_0000000000001").status_code == 404
    assert broken() == []


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"campaign": ""}, 422, "请选择券活动和人群。"),
        ({"segment": "seg_x"}, 404, "没有找到这个人群。"),
        ({"hold_out": "半"}, 422, "对照组比例不正确"),
        ({"hold_out": "60"}, 422, "请填写 0 至 50 的整数。"),
        ({"act": "push", "key": "x"}, 422, "操作未成功"),
    ],
)
def test_a_wrong_push_is_refused(
    world: World, hq: Pages, segment: str, change: dict[str, str], status: int, words: str
) -> None:
    answer = hq.post("coupon-pushes", **({"campaign": _campaign(world), "segment": segment} | change))
    assert (answer.status_code, words in answer.text) == (status, True)
    with transaction():
        assert session.query(CouponPush).count() == 0


def test_gift_rules_are_added_counted_and_switched(world: World, hq: Pages) -> None:
    thanks = _campaign(world)
    assert hq.post("gift-rules", kind="order", campaign=thanks, least="1,000", keep="yes").status_code == 303
    assert hq.post("gift-rules", kind="birthday", campaign=thanks, days="3", least="5").status_code == 303
    again = hq.post("gift-rules", kind="order", campaign=thanks, least="500")
    assert again.status_code == 409 and "这个活动已有同类赠券规则。" in again.text
    with transaction():
        order, birthday = session.query(GiftRule).order_by(GiftRule.rule_id)
        assert (order.min_fen, order.keep_on_refund, birthday.days_before, birthday.min_fen) == (100_000, True, 3, 0)
        member_id = make_member(world)
        commands.grant(brand_id=world.brand_id, member_id=member_id, kind="order", occasion="ord_1", rules=[order])
    page = hq.get("gift-rules").text
    assert "满 ¥1,000.00，退款后不收回" in page and "提前 3 天" in page
    assert hq.post(f"gift-rules/{ids.encode('gfr', order.rule_id)}", active="no").status_code == 303
    with transaction():
        assert [one.active for one in session.query(GiftRule).order_by(GiftRule.rule_id)] == [False, True]
    assert "停用" in hq.get("gift-rules").text
    assert broken() == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kind": "order", "least": ""}, "请检查：订单金额。"),
        ({"kind": "order", "least": "很多"}, "订单金额不正确"),
        ({"kind": "birthday", "days": "99"}, "请检查：提前天数。"),
        ({"kind": "nonsense"}, "请检查：场景。"),
        ({"kind": "welcome", "campaign": ""}, "请检查：券活动。"),
    ],
)
def test_a_wrong_gift_rule_names_the_field(world: World, hq: Pages, form: dict[str, str], words: str) -> None:
    answer = hq.post("gift-rules", **({"campaign": _campaign(world)} | form))
    assert answer.status_code == 422 and words in answer.text
    with transaction():
        assert session.query(GiftRule).count() == 0


def test_codes_are_made_taken_away_once_and_voided(world: World, hq: Pages, run_work: Any) -> None:
    form = {"campaign": _campaign(world), "name": "周年庆礼品卡", "size": "1,200", "ends": "2030-12-31"}
    key = _key(hq.get("redeem-batches").text)
    for _ in range(2):
        assert hq.post("redeem-batches", key=key, **form).status_code == 303
    run_work()
    with transaction():
        (batch,) = session.query(RedeemBatch)
        assert (batch.status, batch.made) == ("ready", 1200)
        assert batch.ends_at is not None and batch.ends_at.isoformat().startswith("2030-12-31T16:00")
    page = hq.get("redeem-batches").text
    assert "1,200 / 1,200" in page and "确认导出（仅此一次）" in page
    home = f"redeem-batches/{ids.encode('cdb', batch.batch_id)}"
    file = hq.post(f"{home}/export")
    lines = file.get_data(as_text=True).splitlines()
    assert file.mimetype == "text/csv" and len(lines) == 1201
    with transaction():
        mine = commands.exchange(
            brand_id=world.brand_id, member_id=make_member(world), code=lines[1].split(",")[1].strip('"\t=')
        )
        assert mine.source == "redeem_code"
    second = hq.post(f"{home}/export")
    assert second.status_code == 409 and "只能导出一次。" in second.text
    page = hq.get("redeem-batches").text
    assert "导出</span>" in page and "1,199" in page
    unsaid = hq.post(f"{home}/void", reason=" ")
    assert unsaid.status_code == 422 and "请填写作废原因。" in unsaid.text
    assert hq.post(f"{home}/void", reason="印错了").status_code == 303
    assert "已作废" in hq.get("redeem-batches").text
    assert hq.post(f"{home}/void", reason="印错了").status_code == 409
    other = hq.post("redeem-batches", key=key, **(form | {"size": "9"}))  # the page was left open and changed
    assert other.status_code == 409 and _key(other.text) != key
    assert broken() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"campaign": ""}, "请检查：券活动。"),
        ({"name": ""}, "请检查：名称。"),
        ({"size": "零"}, "数量不正确"),
        ({"size": "20,000,000"}, "请检查：数量。"),
        ({"ends": "明天"}, "截止日期不正确"),
        ({"ends": "9999-12-30"}, "截止日期不正确，请按 2027-01-31 填写，年份须在 2000 至 2099 之间。"),
        ({"ends": "2020-01-01"}, "截止日期已过。"),
    ],
)
def test_a_wrong_batch_names_the_field(world: World, hq: Pages, change: dict[str, str], words: str) -> None:
    form = {"campaign": _campaign(world), "name": "礼品卡", "size": "10", "key": "batch-form-1"}
    answer = hq.post("redeem-batches", **(form | change))
    assert answer.status_code == 422 and words in answer.text
    with transaction():
        assert session.query(RedeemBatch).count() == 0


def test_the_pages_are_headquarters(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    coupon(world)
    for role in ("store", "dealer", "region"):
        other = Pages(client, admins[role])
        for path in ("coupon-pushes", "gift-rules", "redeem-batches"):
            assert other.get(path).status_code == 403
            assert f"/console/{path}" not in other.get("campaigns").text
    abroad = make_world()
    stranger = Pages(client, make_admins(abroad)["hq"])
    assert stranger.post("coupon-pushes", campaign=_campaign(world), segment="seg_0000000000001").status_code == 404
