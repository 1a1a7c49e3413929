"""All that people read about coupons, in Simplified Chinese: what one gives, its terms, until when, why it is refused.

Shoppers, guides, cashiers and operators read the same words, and they stand here only. Every field of `Terms` is told
by `offer`, `_USE` or `_TAKE`, or stands in `UNTOLD` with a reason; every refusal of the domain stands in `_REFUSALS`.
A test names what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.core.errors import SiyuError

from .rules import FULL_BP, Terms

TIMEZONE = "Asia/Shanghai"
NAMED = 3  # so many stores or articles are named; of more only the number is told
SOON_DAYS = 7  # from so many days on a coupon's end is counted down
OTHER = "操作未成功，请稍后再试"


class Names(NamedTuple):
    """What the ids in terms are called: stores by id."""

    stores: Mapping[int, str] = {}


NO_NAMES = Names()
Words = Callable[[Terms, Names], str]


def yuan(fen: int) -> str:
    """Fen as people write a price: ¥50, ¥12.50."""
    whole, rest = divmod(fen, 100)
    return f"¥{whole:,}" if rest == 0 else f"¥{whole:,}.{rest:02}"


# ---- what it gives and asks for


def offer(terms: Terms) -> str:
    """What a coupon gives, in a few words: 满¥300减¥50, 享8.5折 最高减¥100."""
    above = f"满{yuan(terms.threshold_fen)}" if terms.threshold_fen else ""
    if terms.kind == "percent":
        folds = (FULL_BP - terms.percent_bp) / 1000
        most = f" 最高减{yuan(terms.cap_fen)}" if terms.cap_fen else ""
        return f"{above}享{folds:g}折{most}" if folds else f"{above}免单{most}"
    if terms.kind == "gift":
        return f"{above}送礼品一份"
    if terms.kind == "shipping":
        return f"{above}免运费" + (f" 最高{yuan(terms.amount_fen)}" if terms.amount_fen else "")
    return f"{above}减{yuan(terms.amount_fen)}" if above else f"立减{yuan(terms.amount_fen)}"


def conditions(terms: Terms, names: Names = NO_NAMES) -> list[str]:
    """What a held coupon asks for beside `offer` and its validity: 仅限一号店使用, 兑换商品：A-1."""
    return _told(_USE, terms, names)


def rules_of_taking(terms: Terms, names: Names = NO_NAMES) -> list[str]:
    """What is promised to whoever takes one: limits and validity, 每人限领1张, 领取后30天内有效."""
    return _told(_TAKE, terms, names)


def _told(which: Mapping[str, Words], terms: Terms, names: Names) -> list[str]:
    return [text for words in which.values() if (text := words(terms, names))]


def _stores(terms: Terms, names: Names) -> str:
    if terms.store_ids is None:
        return ""
    known = [names.stores[one] for one in sorted(terms.store_ids) if one in names.stores]
    if 0 < len(terms.store_ids) <= NAMED and len(known) == len(terms.store_ids):
        return f"仅限{'、'.join(known)}使用"
    return f"仅限指定的 {len(terms.store_ids)} 家门店使用"


def _gifts(terms: Terms, names: Names) -> str:
    skus = sorted(terms.gift_skus)
    more = f" 等 {len(skus)} 款" if len(skus) > NAMED else ""
    return f"兑换商品：{'、'.join(skus[:NAMED])}{more}" if skus else ""


def _days(terms: Terms, names: Names) -> str:
    if terms.valid_days is None:
        return ""
    return f"{'生效' if terms.wait_days else '领取'}后{terms.valid_days}天内有效"


OFFERED = ("kind", "amount_fen", "threshold_fen", "percent_bp", "cap_fen")
_USE: dict[str, Words] = {"store_ids": _stores, "gift_skus": _gifts}
_TAKE: dict[str, Words] = {
    "per_member": lambda terms, names: f"每人限领{terms.per_member}张",
    "starts_at": lambda terms, names: f"{moment(terms.starts_at, terms.timezone)}起可用" if terms.starts_at else "",
    "ends_at": lambda terms, names: f"{end(terms.ends_at, terms.timezone)}前有效" if terms.ends_at else "",
    "wait_days": lambda terms, names: f"领取后第{terms.wait_days + 1}天生效" if terms.wait_days else "",
    "valid_days": _days,
}
UNTOLD = {
    "hq_bp": "who pays for the discount is the brand's and the dealer's affair",
    "timezone": "told by every date",
}
TOLD = frozenset((*OFFERED, *_USE, *_TAKE))


# ---- when


def moment(at: datetime, timezone: str = TIMEZONE) -> str:
    """A moment as a date, with the time unless it is midnight: 3月5日, 2027年1月1日 09:30."""
    local = at.astimezone(ZoneInfo(timezone))
    return _date(local.date()) + ("" if local.time() == time() else f" {local:%H:%M}")


def end(at: datetime, timezone: str = TIMEZONE) -> str:
    """The end of a validity as its last day, or as a time where it ends within a day: 3月5日, 3月5日 18:00."""
    local = at.astimezone(ZoneInfo(timezone))
    return _date(local.date() - timedelta(days=1)) if local.time() == time() else moment(at, timezone)


def _date(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def days_left(valid_to: datetime, at: datetime, timezone: str = TIMEZONE) -> int:
    """Local days from today to a coupon's last day: 0 ends today, below 0 is over."""
    zone = ZoneInfo(timezone)
    if at >= valid_to:
        return -1
    last = (valid_to - timedelta(microseconds=1)).astimezone(zone).date()
    return (last - at.astimezone(zone).date()).days


def expiry(valid_from: datetime, valid_to: datetime, at: datetime, timezone: str = TIMEZONE) -> str:
    """A coupon's validity at a moment: 3月5日起可用, 今天到期, 还剩3天, 有效期至2026年3月5日, 已过期."""
    if at >= valid_to:
        return "已过期"
    if at < valid_from:
        return f"{moment(valid_from, timezone)}起可用"
    left = days_left(valid_to, at, timezone)
    if left < 2:
        local = valid_to.astimezone(ZoneInfo(timezone))
        return f"{('今天', '明天')[left]}{'' if local.time() == time() else f' {local:%H:%M} '}到期"
    return f"还剩{left}天" if left <= SOON_DAYS else f"有效期至{end(valid_to, timezone)}"


# ---- why not


def refusal(error: SiyuError, terms: Terms | None = None, names: Names = NO_NAMES) -> str:
    """A refusal as a sentence without a full stop, with what the terms of the coupon add: 还差¥12.00, 满¥300可用."""
    words = _REFUSALS.get(error.code)
    if words is None:
        return OTHER
    return words if isinstance(words, str) else words(error.data, terms, names)


@contextmanager
def added() -> Iterator[None]:
    """Put the words of a refusal into its data (`words`), for callers who show them as they are."""
    try:
        yield
    except SiyuError as error:
        if error.code in _REFUSALS:
            error.data.setdefault("words", refusal(error))
        raise


Why = Callable[[Mapping[str, Any], Terms | None, Names], str]


def _when(data: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(data[name]).astimezone(UTC) if data.get(name) else None


def _zone(terms: Terms | None) -> str:
    return terms.timezone if terms else TIMEZONE


def _unknown(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    return "券码有误，请核对后重新输入" if data.get("mistyped") else "没有找到这张券，请核对券码"


def _expired(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    at = _when(data, "valid_to")
    return f"此券已过期，有效期至{end(at, _zone(terms))}" if at else "此券已过期"


def _not_yet(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    at = _when(data, "valid_from")
    return f"此券{moment(at, _zone(terms))}起可用" if at else "此券还未生效"


def _wrong_store(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    return (_stores(terms, names) if terms else "") or "此券不能在本店使用"


def _short(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    if "short_fen" not in data:
        return "未达到使用门槛"
    return f"还差¥{data['short_fen'] // 100:,}.{data['short_fen'] % 100:02}，满{yuan(data['threshold_fen'])}可用"


def _nothing_fits(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    if terms is not None and terms.kind == "gift":
        return f"订单中没有可兑换的商品，{_gifts(terms, names)}"
    if terms is not None and terms.kind == "shipping":
        return "订单中没有运费，无需使用运费券"
    return "订单中没有可用此券的商品"


_REFUSALS: dict[str, str | Why] = {
    "campaign_unknown": "活动不存在或已下线",
    "campaign_paused": "活动已暂停，恢复后可用",
    "campaign_closed": "活动已结束",
    "sold_out": "券已领完",
    "limit_reached": "已达到每人限领数量",
    "coupon_unknown": _unknown,
    "coupon_redeemed": "此券已经使用过",
    "coupon_expired": _expired,
    "coupon_not_yet_valid": _not_yet,
    "coupon_voided": "此券已作废",
    "coupon_locked": "此券正被另一笔未付款的订单占用，取消该订单后可用",
    "coupon_wrong_store": _wrong_store,
    "threshold_not_met": _short,
    "coupon_not_applicable": _nothing_fits,
    "code_expired": "券码已过时，请顾客刷新后出示新的券码",
    "code_replayed": "这个券码已经用过，请顾客刷新后出示新的券码",
    "redemption_unknown": "没有找到这笔核销",
    "redemption_returned": "这笔核销已经撤销",
    "desk_order_taken": "这个订单号今天已核销过优惠券，请核对订单号",
    "undo_by_another": "核销已超过 30 分钟，请由本店其他账号或上级在当日撤销",
    "undo_too_late": "只能在核销当日撤销，之后请走退货流程",
    "order_uploaded": "该订单已经上传，请走退货流程，不能单独撤销核销",
    # What any request may meet.
    "busy": "系统繁忙，请再试一次",
    "unavailable": "系统暂时没有响应，请再试一次",
    "too_many_requests": "操作太频繁，请一分钟后再试",
    "idempotency_key_reused": "这张单已经提交过，请刷新页面后重新录入",
    "store_unknown": "没有找到这家门店",
}
