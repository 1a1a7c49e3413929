"""Everything that people read about coupons: nothing of the domain is without words, and the words are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from coupon_factories import terms

from app.core.errors import SiyuError
from app.coupons import desk as desk_errors
from app.coupons import errors, rules, wording
from app.coupons.wording import Names

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # a Monday, 12:00 in Shanghai
STORES = Names(stores={1: "一号店", 2: "二号店"}, dealers={5: "经销商一"}, regions={9: "华东"})
ALONE = "不可与其他券同用"


def _refusals(kind: type[SiyuError] = SiyuError) -> Iterator[type[SiyuError]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("app.coupons."):
            yield one
        yield from _refusals(one)


REFUSALS = sorted(set(_refusals()), key=lambda one: one.code)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda one: one.code)
def test_a_refusal_has_a_chinese_sentence(kind: type[SiyuError]) -> None:
    words = wording.refusal(kind())
    assert words != wording.OTHER, f"{kind.code} has no words in app/coupons/wording"
    assert re.search("[一-鿿]", words) and not words.endswith("。")


def test_the_refusals_asked_about_are_those_of_the_domain() -> None:
    assert {errors.CouponExpired, errors.ThresholdNotMet, desk_errors.UndoTooLate} <= set(REFUSALS)


def test_every_field_of_the_terms_is_told_or_left_out_for_a_reason() -> None:
    known = {one.name for one in fields(rules.Terms)}
    told, untold = set(wording.TOLD), set(wording.UNTOLD)
    assert known - told - untold == set(), "without words in app/coupons/wording"
    assert (told | untold) - known == set(), "words for fields that are gone"
    assert told & untold == set() and all(wording.UNTOLD.values())


# What each field looks like when it says something, and a piece of its words.
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "store_ids": ({"store_ids": frozenset({1, 2})}, "仅限一号店、二号店使用"),
    "gift_skus": ({"kind": "gift", "gift_skus": frozenset({"B-2", "A-1"})}, "兑换商品：A-1、B-2"),
    "dealer_ids": ({"dealer_ids": frozenset({5})}, "仅限经销商一的门店使用"),
    "region_ids": ({"region_ids": frozenset({9})}, "仅限华东区域的门店使用"),
    "except_store_ids": ({"except_store_ids": frozenset({2})}, "二号店不可用"),
    "channels": ({"channels": frozenset({"till", "desk"})}, "仅限门店使用"),
    "weekdays": ({"weekdays": frozenset({1, 2, 3, 4, 5})}, "周一至周五可用"),
    "hours": ({"hours": (("10:00", "14:00"), ("17:00", "21:00"))}, "10:00—14:00、17:00—21:00 可用"),
    "only_days": ({"only_days": frozenset({date(2026, 5, 1), date(2026, 5, 2)})}, "仅限2026年5月1日、2026年5月2日可用"),
    "except_days": ({"except_days": frozenset({date(2026, 2, 17)})}, "2026年2月17日不可用"),
    "skus": ({"skus": frozenset({"A-1"}), "categories": frozenset({"鞋", "包"})}, "仅限商品 A-1 或品类 包、鞋 可用"),
    "categories": ({"categories": frozenset({"鞋"})}, "仅限品类 鞋 可用"),
    "except_skus": ({"except_skus": frozenset({"A-2"})}, "不含商品：A-2"),
    "except_categories": ({"except_categories": frozenset({"袜"})}, "不含品类：袜"),
    "stack_group": ({"stack_group": "cash"}, "仅可与其他叠加组的券同用，同组券每单限用1张"),
    "returns": ({"returns": "never"}, "退货后券不退回"),
    "grace_days": ({"grace_days": 3}, "退货退回的券至少再有效3天"),
    "transferable": ({"transferable": True}, "可转赠好友"),
    "per_member": ({"per_member": 2}, "每人限领2张"),
    "per_day": ({"per_day": 1}, "每人每天限领1张"),
    "per_week": ({"per_week": 1}, "每人每周限领1张"),
    "per_month": ({"per_month": 3}, "每人每月限领3张"),
    "starts_at": ({"starts_at": datetime(2026, 3, 4, 16, tzinfo=UTC)}, "2026年3月5日起可用"),
    "ends_at": ({"ends_at": datetime(2026, 3, 31, 16, tzinfo=UTC)}, "2026年3月31日前有效"),
    "wait_days": ({"wait_days": 1}, "领取后第2天生效"),
    "valid_days": ({"valid_days": 30}, "领取后30天内有效"),
}


@pytest.mark.parametrize("field", sorted(wording.TOLD - set(wording.OFFERED)))
def test_a_field_of_the_terms_says(field: str) -> None:
    values, expected = SAID[field]
    one = terms(**values)
    assert expected in wording.conditions(one, STORES) + wording.rules_of_taking(one, STORES)


def test_many_stores_and_stores_without_a_name_are_counted() -> None:
    many = terms(store_ids=frozenset(range(1, 13)))
    assert wording.conditions(many, STORES) == ["仅限指定的 12 家门店使用", ALONE]
    assert wording.conditions(terms(store_ids=frozenset({7})), STORES) == ["仅限指定的 1 家门店使用", ALONE]
    many_gifts = terms(kind="gift", gift_skus=frozenset(f"S{n}" for n in range(5)))
    assert wording.conditions(many_gifts) == ["兑换商品：S0、S1、S2 等 5 款", ALONE]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(hours=-1), "已过期"),
        (timedelta(hours=12), "今天到期"),
        (timedelta(hours=6), "今天 18:00 到期"),
        (timedelta(hours=36), "明天到期"),
        (timedelta(days=2, hours=12), "还剩2天"),
        (timedelta(days=7, hours=12), "还剩7天"),
        (timedelta(days=8, hours=12), "有效期至2026年3月10日"),
        (timedelta(days=8, hours=6), "有效期至2026年3月10日 18:00"),
    ],
)
def test_an_end_is_counted_down_in_local_days(after: timedelta, expected: str) -> None:
    assert wording.expiry(NOON - timedelta(days=1), NOON + after, NOON) == expected


def test_what_is_not_valid_yet_says_from_when() -> None:
    start = NOON + timedelta(days=1, hours=12)
    assert wording.expiry(start, start + timedelta(days=1), NOON) == "2026年3月4日起可用"


@pytest.mark.parametrize(
    ("error", "values", "expected"),
    [
        (errors.ThresholdNotMet(threshold_fen=30000, short_fen=1200), {}, "还差¥12.00，满¥300可用"),
        (errors.CouponExpired(valid_to="2026-03-02T16:00:00+00:00"), {}, "此券已过期，有效期至2026年3月2日"),
        (errors.CouponNotYetValid(valid_from="2026-03-02T16:00:00+00:00"), {}, "此券2026年3月3日起可用"),
        (errors.CouponWrongStore(), {"store_ids": frozenset({1})}, "仅限一号店使用"),
        (errors.CouponNotApplicable(), {"kind": "shipping"}, "订单中没有运费，无需使用运费券"),
        (
            errors.CouponNotApplicable(),
            {"kind": "gift", "gift_skus": frozenset({"A-1"})},
            "订单中没有可兑换的商品，兑换商品：A-1",
        ),
        (errors.CouponUnknown(mistyped=True), {}, "券码有误，请核对后重新输入"),
        (errors.CouponWrongChannel(channels=["mall"]), {"channels": frozenset({"mall"})}, "仅限商城使用"),
        (errors.CouponNotNow(weekdays=[6, 7]), {"weekdays": frozenset({6, 7})}, "周六、周日可用"),
        (errors.CouponNotNow(hours=[["10:00", "12:00"]]), {"hours": (("10:00", "12:00"),)}, "10:00—12:00 可用"),
        (
            errors.CouponNotNow(only_days=["2026-05-01"]),
            {"only_days": frozenset({date(2026, 5, 1)})},
            "仅限2026年5月1日可用",
        ),
        (errors.CouponNotNow(except_day="2026-02-17"), {}, "2026年2月17日不可用"),
        (errors.PeriodLimitReached(period="week", limit=2), {}, "每人每周限领2张，本期已领满"),
        (errors.AllocationTooLarge(stock=100), {}, "分配给门店的数量超过活动库存 100 张"),
        (errors.AllocationTooLarge(store_id=1, issued=7), {}, "不能少于门店已发放的 7 张"),
    ],
)
def test_refusals_say_what_the_terms_add(error: SiyuError, values: dict[str, Any], expected: str) -> None:
    assert wording.refusal(error, terms(**values), STORES) == expected


def test_what_is_unknown_has_general_words_and_adds_none() -> None:
    class Strange(SiyuError):
        code = "strange"

    assert wording.refusal(Strange()) == wording.OTHER
    with pytest.raises(Strange) as raised, wording.added():
        raise Strange()
    assert "words" not in raised.value.data
    with pytest.raises(errors.SoldOut) as sold_out, wording.added():
        raise errors.SoldOut()
    assert sold_out.value.data == {"words": "券已领完"}
