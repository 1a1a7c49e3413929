"""What headquarters read about coupons in outside channels, in Simplified Chinese."""

from __future__ import annotations

from typing import Any

CHANNEL = {"local": "本地（不对外展示）", "wechat_product": "微信支付商品券", "wechat_merchant": "微信支付商家券"}
STATE = {
    "creating": "创建中",
    "auditing": "微信审核中",
    "sending": "发放中",
    "paused": "已暂停",
    "stopped": "已停止",
    "deactivated": "已失效",
    "refused": "创建失败",
    "unbound": "已解除",
}
COLOUR = {"sending": "green", "auditing": "gold", "creating": "blue", "refused": "red", "paused": "gold"}
TWIN = {
    "wanted": "待发放",
    "confirming": "待确认",
    "pending": "未到生效时间",
    "effective": "可使用",
    "used": "已核销",
    "expired": "已过期",
    "deleted": "用户已删除",
    "deactivated": "已失效",
    "refused": "发放被拒",
    "dropped": "未发放",
}
CONFLICT = {
    "used_twice": "两边各核销了一次",
    "used_after_end": "本店券已结束，微信侧被核销",
    "used_not_redeemable": "微信侧已核销，本店无法自动记账（券已作废）",
    "returned_outside": "本店已核销，微信侧被退券",
    "withdrawn_outside": "微信侧已失效，本店券仍有效",
    "refused_confirm": "微信拒绝确认发放",
    "refused_use": "微信拒绝核销",
    "refused_return": "微信拒绝退券",
    "refused_deactivate": "微信拒绝失效",
}
_FACT = {
    "status": "状态",
    "state": "状态",
    "order_no": "订单号",
    "use_ref": "核销请求号",
    "redemption_id": "核销编号",
    "refused": "拒绝原因",
}
_STATUS = {
    "claimed": "待使用",
    "locked": "使用中",
    "redeemed": "已核销",
    "returned": "已退回",
    "expired": "已过期",
    "voided": "已作废",
}
FAILED = {
    "binding_exists": "该活动已绑定渠道。",
    "binding_ending": "上一次绑定的微信批次正在失效，请稍后再试。",
    "stock_taken": "该批次已绑定其他活动，请核对批次号。",
    "binding_unknown": "该活动没有绑定渠道。",
    "channel_closed": "微信支付商家券自 2025-12-15 起不再接入新商户，请使用商品券。",
    "channel_not_configured": "尚未配置微信支付账号。",
    "channel_unfit": "该活动的券规则无法在此渠道展示，请检查类型、折扣、门店范围和券图片。",
    "campaign_unknown": "请选择券活动。",
    "not_found": "没有这个门店编码。",
    "twin_conflict_closed": "该问题已由他人处理。",
    "invalid": "请填写完整：处理说明至少两个字，券图片须为 https 地址。",
}


def outdated(binding: dict[str, Any]) -> str:
    """That a channel shows the terms of before; empty where it shows those in force, or nothing any more."""
    shown, now = binding["version"], binding["campaign_version"]
    if shown >= now or binding["state"] in ("unbound", "refused", "deactivated"):
        return ""
    return f"渠道按第 {shown} 版规则展示，活动现为第 {now} 版：新规则的券不会在此渠道展示，请解除绑定后重新绑定"


def facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts of one side of a contradiction, each with its name; what is not known is left out."""
    return [(_FACT.get(name, name), _spelled(name, value)) for name, value in values.items() if value]


def _spelled(name: str, value: Any) -> str:
    return {"status": _STATUS, "state": TWIN}.get(name, {}).get(str(value), str(value))
