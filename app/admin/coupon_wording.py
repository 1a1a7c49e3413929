"""The words of coupon reports, statements and flags, in Simplified Chinese."""

from __future__ import annotations

from decimal import Decimal

REPORT_BY = {
    "campaign": "券活动",
    "store": "门店",
    "guide": "导购",
    "source": "发放方式",
    "channel": "使用渠道",
    "day": "日期",
}
REPORT_NOBODY = {
    "campaign": "—",
    "store": "无门店",
    "guide": "非导购发放",
    "source": "—",
    "channel": "尚未使用",
    "day": "—",
}
REPORT_FIGURE = {
    "issued": "发放",
    "used_bp": "使用率",
    "used": "核销",
    "returned": "退回",
    "expired": "过期",
    "voided": "作废",
    "discount_fen": "优惠成本",
    "hq_fen": "总部承担",
    "dealer_fen": "经销商承担",
    "supplier_fen": "供应商承担",
    "orders": "用券订单",
    "sales_fen": "用券销售额",
}
CHANNEL = {"till": "门店收银", "mall": "商城", "desk": "收银台页面"}
FACT = {"redeemed": "核销", "refunded": "部分退款", "returned": "退回"}
MONTH_STATUS = {"open": "未关账", "asked": "待复核", "closed": "已关账"}
STATEMENT_COLUMNS = {
    "code": "门店编码",
    "name": "门店",
    "dealer": "经销商",
    "used": "核销笔数",
    "back": "退回笔数",
    "taken_fen": "核销优惠",
    "back_fen": "退回冲减",
    "discount_fen": "应收合计",
    "hq_fen": "应收总部",
    "dealer_fen": "应收经销商",
    "supplier_fen": "应收供应商",
}
MEMO = "断网冲突（不计入应收）"
MEMO_COLUMNS = {
    "offline_conflicts": "断网冲突笔数（不计入应收）",
    "offline_conflicts_fen": "断网冲突金额（不计入应收）",
}
LINE_COLUMNS = {
    "at": "时间",
    "kind": "类型",
    "redemption": "核销编号",
    "order_no": "订单号",
    "campaign": "券活动",
    "supplier": "供应商",
    "discount_fen": "优惠金额",
    "hq_fen": "总部承担",
    "dealer_fen": "经销商承担",
    "supplier_fen": "供应商承担",
}
BILL_COLUMNS = {"code": "门店编码", "store": "门店", "dealer": "经销商", **LINE_COLUMNS}
PAYER = {"hq": "总部", "dealer": "经销商", "supplier": "供应商"}
REFUSED = {
    "month_not_over": "本月尚未结束，不能关账。",
    "month_closed": "该月已经关账。",
    "earlier_month_open": "请先完成上一个月的关账。",
    "closing_not_asked": "请先由一位同事提交关账。",
    "second_closer_needed": "关账需由另一位总部同事复核，提交人不能自己复核。",
    "statement_changed": "提交之后账目有变化，请重新提交并核对。",
    "flag_decided": "该风险已由他人处理。",
    "phone_invalid": "请填写正确的手机号。",
}
RULE = {
    "member_redeems": "会员短时间多次用券",
    "member_claims": "会员短时间大量领券",
    "store_redeems": "门店核销激增",
    "till_redeems": "收银接口核销激增",
    "desk_redeems": "同一收银账号核销激增",
    "offline_conflicts": "门店离线核销冲突频繁",
    "guide_gives": "导购大量发券",
    "guide_own_store": "导购发券后即在本店核销",
    "stores_apart": "会员短时间多店用券",
    "regions_apart": "会员短时间跨区域用券",
    "staff_redeems": "导购本人用券",
    "wrong_codes": "频繁尝试错误券码",
    "codes_replayed": "动态码重复使用",
    "claim_burst": "频繁请求领券",
}
FLAG_STATUS = {"open": "待核查", "cleared": "已排除", "confirmed": "已确认"}
SUBJECT = {
    "member": "会员",
    "store": "门店",
    "guide": "导购",
    "till": "收银接口",
    "desk": "收银台账号",
    "coupon": "优惠券",
    "address": "网络地址",
}


def amount(fen: int) -> Decimal:
    """Fen in yuan as a number for spreadsheets, exact: -12.50."""
    return Decimal(fen).scaleb(-2)


def span(seconds: int) -> str:
    """A length of time: 90 分钟, 2 小时, 1 天."""
    for unit, word in ((86_400, "天"), (3_600, "小时"), (60, "分钟")):
        if seconds % unit == 0 and seconds >= unit:
            return f"{seconds // unit} {word}"
    return f"{seconds} 秒"


GIVE_REASON = {
    "complaint": "客诉补偿",
    "owed": "补发漏发的券",
    "exchanged": "换发其他券",
    "care": "会员关怀",
    "system_fault": "系统故障补偿",
}
WITHDRAW_REASON = {
    "given_by_mistake": "发错券",
    "given_twice": "重复发放",
    "misused": "涉嫌违规领取或使用",
    "exchanged_for": "已换发其他券",
    "asked_for": "会员本人要求",
}
PUSH_STATUS = {"running": "推送中", "stopped": "已停止", "done": "已完成"}
PUSH_COLOUR = {"running": "blue", "stopped": "gold", "done": "green"}
PUSH_STOPPED = {
    "operator": "人工停止",
    "sold_out": "券已发完，追加库存后可继续",
    "sold_out_today": "今天的券已发完，明天自动继续",
    "store_needed": "库存已分配到门店，不能再推送",
    "campaign_paused": "活动已暂停，恢复后可继续",
    "campaign_closed": "活动已结束",
}
PUSH_COUNT = {
    "issued": "已发放",
    "held_out": "对照组",
    "opted_out": "拒收营销",
    "limited": "已达限领",
    "gone": "已合并、冻结或注销",
}
GIFT_KIND = {
    "welcome": "新会员礼",
    "birthday": "生日礼",
    "order": "下单礼",
    "referrer": "邀请人奖励",
    "referred": "被邀请人礼",
}
GIFT_WHEN = {
    "welcome": "首次验证手机号后发放，每人一次，合并会员后也不重复",
    "birthday": "每年生日发放一次",
    "order": "订单实付达到金额后发放，每单一次",
    "referrer": "每带来一位新会员发放一次",
    "referred": "通过会员邀请入会后发放，每人一次",
}
GIFT_FIELD = {"kind": "场景", "campaign": "券活动", "min_fen": "订单金额", "days_before": "提前天数"}
BATCH_STATUS = {"making": "生成中", "ready": "可用", "voided": "已作废"}
BATCH_COLOUR = {"making": "blue", "ready": "green", "voided": ""}
BATCH_FIELD = {"campaign": "券活动", "name": "名称", "size": "数量", "ends_at": "截止日期"}
OFFLINE_OUTCOME = {"conflict": "冲突", "over": "超出额度", "redeemed": "已核销", "refused": "不予受理"}
OFFLINE_COLOUR = {"conflict": "gold", "over": "red", "redeemed": "green", "refused": ""}
