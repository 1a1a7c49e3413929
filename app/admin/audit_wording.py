"""What the audit trail records, in Simplified Chinese."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import coupon_channel_wording, coupon_wording, wording

ACTION = {
    "members.tagged": "打标签",
    "members.untagged": "移除标签",
    "members.tags_changed": "导购改标签",
    "members.moved": "调整归属门店",
    "tags.define": "新建标签",
    "tags.retire": "停用标签",
    "tags.adopt": "导入企业微信标签",
    "admin.login": "登录",
    "admin.logout": "退出",
    "admin.create": "新建账号",
    "admin.enable": "启用账号",
    "admin.disable": "停用账号",
    "admin.reset": "重置账号",
    "admin.change_password": "修改密码",
    "admin.set_up_second_factor": "开启两步验证",
    "admin.remove_second_factor": "关闭两步验证",
    "members.viewed": "查看会员",
    "members.phone_search": "按手机号查询会员",
    "privacy.policy_published": "发布隐私政策",
    "trace.viewed": "查看全链路",
    "coupons.month_asked": "提交券对账关账",
    "coupons.month_closed": "复核券对账关账",
    "coupons.flag_cleared": "排除用券风险",
    "coupons.flag_confirmed": "确认用券风险",
    "coupons.fraud_rule": "修改风险规则",
    "coupons.guide_phone": "登记导购本人手机号",
    "coupons.bind": "券活动绑定渠道",
    "coupons.unbind": "券活动解除渠道",
    "coupons.conflict_closed": "处理券渠道问题",
    "account.pay_notices": "设置微信支付通知地址",
    "sync.started": "开始企微对账",
    "sync.confirmed": "确认对账失效",
    "sync.cancelled": "取消企微对账",
    "campaigns.create": "新建券活动",
    "campaigns.submit": "提交券活动",
    "campaigns.approve": "审批通过券活动",
    "campaigns.reject": "驳回券活动",
    "campaigns.pause": "暂停券活动",
    "campaigns.resume": "恢复券活动",
    "campaigns.end": "结束券活动",
    "campaigns.void": "作废券活动",
    "campaigns.revise": "修改券活动条款",
    "coupons.offline_quota": "设置门店离线额度",
    "campaigns.supply": "调整券活动供给",
    "campaigns.policy": "设置券活动审批规模",
    "campaign.guide_limit": "设置导购每日发券数",
    "segment.save": "保存人群",
    "coupons.given": "给会员发券",
    "coupons.withdrawn": "收回会员的券",
    "coupons.push": "推送券到人群",
    "coupons.push_stop": "停止券推送",
    "coupons.push_resume": "继续券推送",
    "gift_rule.add": "新建赠券规则",
    "gift_rule.change": "启停赠券规则",
    "redeem_codes.order": "生成兑换码",
    "redeem_codes.export": "开始导出兑换码",
    "redeem_codes.exported": "导出兑换码完成",
    "redeem_codes.void": "作废兑换码批次",
    "desk.redeem": "收银台核销",
    "desk.undo": "撤销收银台核销",
    "brand.create": "新建品牌",
    "store.create": "新建门店",
    "guide.create": "新建导购",
    "client.create": "新建接口密钥",
    "account.set": "设置平台账号",
    "codes.order": "新建渠道活码",
    "codes.change": "修改渠道活码",
    "codes.retire": "停用渠道活码",
    "identity.blocked": "加入不可识别名单",
    "identity.unblocked": "移出不可识别名单",
    "import.start": "开始导入",
    "import.cancel": "取消导入",
    "members.revealed": "查看会员敏感信息",
    "people.viewed": "查看客户身份",
    "people.split": "拆分客户身份",
    "reviews.viewed": "查看待核身份",
    "reviews.merged": "判定为同一人",
    "reviews.kept_apart": "判定为不同的人",
    "phone.moved": "手机号换绑到本人",
    "phone.merged": "手机号合并到本人",
    "phone.review": "手机号换绑转人工",
    "phone.closed": "结束手机号换绑",
    "privacy.authorization_revoked": "撤回微信授权",
    "privacy.erased": "注销会员资料",
    "privacy.export_asked": "申请个人信息副本",
    "privacy.export_fetched": "下载个人信息副本",
    "privacy.retention_set": "设置资料保存期限",
}

FACT = {
    "active": "启用",
    "amount_fen": "订单金额",
    "approve_budget_fen": "预算达到后须审批",
    "approve_quota": "数量达到后须审批",
    "brand_id": "品牌",
    "budget_fen": "预算",
    "campaign": "券活动",
    "channel": "渠道",
    "claim": "换绑申请",
    "count": "数量",
    "coupon": "优惠券",
    "day_quota": "每日限量",
    "days": "天数",
    "days_before": "提前天数",
    "dealer_fen": "经销商承担",
    "digest": "摘要",
    "discount_fen": "优惠合计",
    "dry_run": "仅试运行",
    "field": "内容",
    "fields": "修改内容",
    "group": "分组",
    "hold_out_bp": "对照组",
    "hq_fen": "总部承担",
    "keep_on_refund": "退款后保留",
    "kind": "类型",
    "known": "已登记",
    "limit_fen": "额度",
    "lines": "明细",
    "min_fen": "订单满",
    "more": "追加数量",
    "most": "每日上限",
    "name": "名称",
    "number": "第几次",
    "order_no": "订单号",
    "per_day": "每日数量",
    "phones": "手机号",
    "reason": "原因",
    "removed": "删除资料",
    "retell": "重新通知渠道",
    "role": "角色",
    "rule": "规则",
    "second_factor": "两步验证",
    "segment": "人群",
    "size": "数量",
    "store": "门店",
    "stores": "门店配额",
    "supplier_fen": "供应商承担",
    "tag": "标签",
    "tags": "标签",
    "threshold": "阈值",
    "url": "网址",
    "used": "今日已查看",
    "version": "版本",
    "whole": "全部品牌",
    "window_seconds": "时间窗口（秒）",
}
_WORDS: dict[str, Mapping[str, str]] = {
    "channel": coupon_channel_wording.CHANNEL,
    "field": wording.REVEAL_FIELDS,
    "kind": coupon_wording.GIFT_KIND
    | wording.ID_KIND
    | {"wecom": "企业微信", "miniprogram": "小程序", "official": "公众号", "suite": "第三方应用"},
    "role": wording.ROLES,
    "rule": coupon_wording.RULE,
}
_REASON = wording.UNDO_REASON | coupon_wording.GIVE_REASON | coupon_wording.WITHDRAW_REASON
_SAID: dict[str, Callable[[Any], str]] = {
    "hold_out_bp": lambda bp: f"{bp / 100:g}%",
    "reason": lambda reason: _REASON.get(reason) or wording.review_reason(reason),
    "removed": lambda counts: f"{sum(counts.values()):,} 条",
    "fields": lambda fields: f"{len(fields)} 项",
}


def action(code: str) -> str:
    return ACTION.get(code, code)


def facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a row tells beside who did what to whom, as (label, words)."""
    for name, value in data.items():
        if value not in ("", None):
            yield FACT.get(name, name), _words(name, value)


def _words(name: str, value: Any) -> str:
    if name in _SAID:
        return _SAID[name](value)
    if isinstance(value, bool):
        return "是" if value else "否"
    if name.endswith("_fen"):
        return wording.yuan(value)
    if isinstance(value, Mapping):
        return "、".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list):
        return "、".join(map(str, value))
    return _WORDS.get(name, {}).get(str(value), str(value))
