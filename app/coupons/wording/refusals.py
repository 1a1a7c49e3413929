"""Why a coupon cannot be had, used or given back, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from app.core.errors import SiyuError

from ..rules import Terms
from .terms import NO_NAMES, Names, channels, gifts, hours, only_days, place, weekdays, yuan
from .times import TIMEZONE, end, moment, on

OTHER = "操作未成功，请稍后再试"


NO_DATA: Mapping[str, Any] = MappingProxyType({})


def refusal(error: SiyuError, terms: Terms | None = None, names: Names = NO_NAMES) -> str:
    """A refusal as a sentence without a full stop, with what the terms of the coupon add: 还差¥12.00, 满¥300可用."""
    return words_of(error.code, error.data, terms, names)


def words_of(
    code: str, data: Mapping[str, Any] = NO_DATA, terms: Terms | None = None, names: Names = NO_NAMES
) -> str:
    """As `refusal`, by the code of an error."""
    words = _REFUSALS.get(code)
    if words is None:
        return OTHER
    return words if isinstance(words, str) else words(data, terms, names)


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
    return (place(terms, names) if terms else "") or "此券不能在本店使用"


def _wrong_channel(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    return (channels(terms, names) if terms else "") or "此券不能在这个渠道使用"


def _not_now(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    """What the terms allow instead of the present day or hour."""
    if day := data.get("except_day"):
        return f"{on(date.fromisoformat(day))}不可用"
    told = {"only_days": only_days, "weekdays": weekdays, "hours": hours}
    words = next((words(terms, names) for name, words in told.items() if name in data), "") if terms else ""
    return words or "此券现在不在可用时段"


def _period(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    period = {"day": "每天", "week": "每周", "month": "每月"}.get(data.get("period", ""))
    return f"每人{period}限领{data['limit']}张，本期已领满" if period else "本期已领满"


def _allocation(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    if "issued" in data:
        return f"不能少于门店已发放的 {data['issued']} 张"
    return f"分配给门店的数量超过活动库存 {data['stock']} 张" if "stock" in data else "分配的数量不正确"


def _short(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    if "short_fen" not in data:
        return "未达到使用门槛"
    return f"还差¥{data['short_fen'] // 100:,}.{data['short_fen'] % 100:02}，满{yuan(data['threshold_fen'])}可用"


def _nothing_fits(data: Mapping[str, Any], terms: Terms | None, names: Names) -> str:
    if terms is not None and terms.kind == "gift":
        return f"订单中没有可兑换的商品，{gifts(terms, names)}"
    if terms is not None and terms.kind == "shipping":
        return "订单中没有运费，无需使用运费券"
    return "订单中没有可用此券的商品"


_REFUSALS: dict[str, str | Why] = {
    "campaign_unknown": "活动不存在或已下线",
    "campaign_paused": "活动已暂停，恢复后可用",
    "campaign_closed": "活动已结束",
    "campaign_over": "活动的结束日期已过，请改为将来的日期",
    "campaign_voided": "活动已取消，此券作废",
    "not_in_this_state": "活动当前的状态不能这样操作",
    "second_closer_needed": "关账须由提交人以外的总部同事复核",
    "second_person_needed": "这个规模的活动须由提交人以外的同事审批",
    "campaign_changed": "活动内容已有变化，请核对后再审批",
    "allocation_too_large": _allocation,
    "store_needed": "此券由门店发放，请先选择门店",
    "sold_out": "券已领完",
    "sold_out_today": "今天的券已领完，请明天再来",
    "store_sold_out": "本店的券已领完",
    "limit_reached": "已达到每人限领数量",
    "period_limit_reached": _period,
    "budget_spent": "活动优惠已用完，此券暂不能使用",
    "member_not_active": "会员已冻结或注销，不能发券",
    "guide_quota_reached": "您今天的发券额度已用完，明天再发",
    "coupon_not_transferable": "此券不能转赠",
    "transfer_unknown": "没有找到这份礼物",
    "transfer_own": "这是您自己的券",
    "transfer_ended": "这份礼物已被领取、收回或过期",
    "redeem_code_unknown": "没有找到这个兑换码，请核对后重新输入",
    "redeem_code_used": "这个兑换码已被使用",
    "redeem_code_ended": "这个兑换码已失效",
    "redeem_batch_unknown": "没有找到这批兑换码",
    "redeem_batch_not_ready": "这批兑换码还在生成，或已作废",
    "redeem_codes_exporting": "正在导出；若已中断，请十分钟后重新导出",
    "redeem_codes_exported": "这批兑换码已导出过，只能导出一次",
    "push_unknown": "没有找到这次推送",
    "push_ended": "这次推送当前不能这样操作",
    "gift_rule_unknown": "没有找到这条赠券规则",
    "gift_rule_exists": "这个活动已有同类赠券规则",
    "flag_unknown": "没有找到这条风险记录",
    "flag_decided": "这条风险记录已处理",
    "fraud_rule_unknown": "没有找到这条风险规则",
    "month_unknown": "月份有误，请按 2026-01 的格式填写已开始的月份",
    "month_not_over": "这个月还没有结束",
    "month_closed": "这个月已关账",
    "earlier_month_open": "请先关上个月的账",
    "closing_not_asked": "还没有人提交关账",
    "statement_changed": "明细已有变化，请重新提交关账",
    "channel_unknown": "没有这个券渠道",
    "channel_closed": "这个渠道不再接入新活动",
    "channel_not_configured": "尚未配置这个渠道的账号",
    "channel_unfit": "这个渠道不支持这样的券",
    "channel_refused": "渠道未受理",
    "binding_unknown": "活动没有绑定渠道",
    "binding_exists": "活动已绑定渠道",
    "binding_ending": "上一次绑定的批次正在失效，请稍后再试",
    "stock_taken": "这个批次已绑定其他活动",
    "twin_conflict_unknown": "没有找到这条记录",
    "twin_conflict_closed": "这条记录已处理",
    "coupon_unknown": _unknown,
    "coupon_redeemed": "此券已经使用过",
    "coupon_expired": _expired,
    "coupon_not_yet_valid": _not_yet,
    "coupon_voided": "此券已作废",
    "coupon_offered": "此券已转赠，等待好友领取；撤回转赠后可用",
    "coupon_locked": "此券正被另一笔未付款的订单占用，取消该订单后可用",
    "coupon_wrong_store": _wrong_store,
    "coupon_wrong_channel": _wrong_channel,
    "coupon_not_now": _not_now,
    "coupon_not_stackable": "不能与本单已用的券同时使用",
    "order_discount_too_large": "优惠合计超过了订单金额",
    "coupon_twice": "同一张券录入了两次",
    "threshold_not_met": _short,
    "coupon_not_applicable": _nothing_fits,
    "code_expired": "券码已过时，请顾客刷新后出示新的券码",
    "code_replayed": "这个券码已经用过，请顾客刷新后出示新的券码",
    "redemption_unknown": "没有找到这笔核销",
    "redemption_returned": "这笔核销已经撤销",
    "refund_too_large": "退款数量超过了购买数量",
    "refund_changed": "这笔退款已登记过，内容与之前不一致",
    "too_late": "超过 7 天才上传",
    "not_yet": "收券时间晚于现在，请校准收银机时钟",
    "receipt_changed": "这张离线小票已登记过，内容与之前不一致",
    "not_held": "订单没有占用这张券",
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
