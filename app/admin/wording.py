"""What managers read, in Simplified Chinese: events, moments and states in words."""

from __future__ import annotations

from collections.abc import Mapping

from app.dashboards.queries.feed import Happened
from app.dashboards.queries.timeline import Moment

ROLES = {"hq": "总部", "region": "区域", "dealer": "经销商", "store": "门店"}
TASK_STATUS = {"open": "待完成", "done": "已完成", "expired": "已过期", "cancelled": "已取消"}
CAMPAIGN_STATUS = {"draft": "草稿", "active": "进行中", "paused": "已暂停", "ended": "已结束"}
CAMPAIGN_KIND = {"amount": "代金券", "threshold": "满减券", "percent": "折扣券", "gift": "兑换券", "shipping": "运费券"}
COUPON_STATUS = {
    "claimed": "待使用",
    "locked": "使用中",
    "redeemed": "已核销",
    "returned": "已退回",
    "expired": "已过期",
    "voided": "已作废",
}
MEMBER_STATUS = {"active": "正常", "frozen": "冻结", "erased": "已注销", "merged": "已合并"}
SOURCE = {
    "till": "门店收银",
    "pos": "门店收银",
    "miniapp": "小程序",
    "import": "批量导入",
    "wecom": "企业微信",
    "self": "自助领取",
    "sop": "导购任务",
    "tier": "等级权益",
    "push": "导购发放",
    "admin": "总部发放",
}
ID_KIND = {
    "unionid": "微信 UnionID",
    "openid": "小程序 OpenID",
    "external_userid": "企微外部联系人",
    "pending": "企微待转换编号",
    "mobile": "手机号",
    "card": "会员卡",
    "mall": "商城账号",
    "import": "导入编号",
    "staff": "员工编号",
}
ACTION = {
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
    "trace.viewed": "查看全链路",
}
CONSENT_PURPOSE = {
    "service": "服务通知",
    "marketing": "营销推广",
    "profiling": "个性化分析",
    "group_sharing": "集团内共享",
    "third_party": "提供给第三方",
}
CONSENT_CHANNEL = {
    "any": "未指明渠道",
    "miniapp": "小程序",
    "wecom": "企业微信",
    "sms": "短信",
    "call": "电话",
    "mail": "邮件",
}
REVEAL_FIELDS = {"phone": "手机号", "name": "姓名", "birthday": "生日"}
REVEAL_REASONS = ("核实会员身份", "处理客诉", "订单售后联系", "配送联系", "会员本人要求")
EXPORT_STATUS = {"asked": "正在生成", "ready": "可下载", "expired": "已过期"}
ERASURE_STATUS = {"asked": "待会员确认", "confirmed": "冷静期中", "cancelled": "已撤回", "done": "已注销"}
_JOURNAL = {"earn": "获得", "spend": "使用", "expire": "过期", "adjust": "调整", "refund": "退回"}
_CURRENCY = {"points": "积分", "growth": "成长值"}


def yuan(fen: int | None) -> str:
    """Fen as people read money: ¥1,234.50."""
    whole = fen or 0
    return f"{'-' if whole < 0 else ''}¥{abs(whole) // 100:,}.{abs(whole) % 100:02}"


def action(code: str) -> str:
    return ACTION.get(code, code)


def source(code: str) -> str:
    return SOURCE.get(code.partition(":")[0], code)


def feed_line(event: Happened, stores: Mapping[int, str]) -> str:
    """One line of the live feed."""
    who = event.who or ("新客户" if event.name.startswith("channels.") else "散客")
    data = event.data
    text = {
        "channels.customer_added": f"{who} 添加了导购企业微信",
        "channels.customer_lost": f"{who} 与导购解除了好友关系",
        "members.joined": f"{who} 成为会员（{source(str(data.get('source', '')))}）",
        "members.bound": f"{who} 在小程序绑定了手机号",
        "sales.order_paid": f"{who} 消费 {yuan(data.get('paid_fen'))}",
        "tiers.upgraded": f"{who} {'升级' if data.get('from_tier_id') else '入会'}为 {data.get('tier_name', '')}",
        "coupons.issued": f"{who} 获得一张优惠券（{source(str(data.get('source', '')))}）",
        "coupons.redeemed": f"{who} 核销优惠券，优惠 {yuan(data.get('discount_fen'))}",
        "coupons.returned": f"{who} 的优惠券已退回",
        "sop.task_created": f"新任务「{data.get('title', '')}」，客户 {who}",
        "sop.task_completed": f"任务「{data.get('title', '')}」已完成，客户 {who}",
    }.get(event.name, event.name)
    store = stores.get(event.store_id or 0)
    return f"{text} · {store}" if store else text


def moment_title(moment: Moment) -> str:
    """The headline of a moment of a member's history."""
    data = {name: value or "" for name, value in moment.data.items()}
    match moment.kind:
        case "joined":
            return f"成为会员（{source(str(data['source']))}）"
        case "bound":
            return "小程序绑定手机号"
        case "followed":
            return f"添加导购 {data['guide']} 的企业微信"
        case "merged":
            return "身份合并：识别为同一位顾客"
        case "guide_assigned":
            return f"专属导购：{data['guide']}"
        case "order":
            return f"消费 {yuan(moment.data['paid_fen'])}" + ("（已退款）" if data["status"] == "refunded" else "")
        case "coupon_issued":
            return f"获得优惠券「{data['campaign']}」"
        case "coupon_redeemed":
            return f"核销优惠券「{data['campaign']}」，优惠 {yuan(moment.data['discount_fen'])}"
        case "coupon_returned":
            return f"退回优惠券「{data['campaign']}」"
        case "points":
            amount = int(moment.data["amount"] or 0)
            return f"{_CURRENCY[str(data['currency'])]}{_JOURNAL[str(data['reason'])]} {amount:+d}"
        case "tier":
            return f"等级变更为 {data['tier']}"
        case "task_created":
            return f"生成导购任务「{data['title']}」"
        case "task_done":
            return f"导购 {data['guide']} 完成任务「{data['title']}」"
    return moment.kind


def moment_detail(moment: Moment) -> str:
    """The small print under the headline."""
    data = moment.data
    parts = [
        str(data["store"]) if data.get("store") else "",
        f"订单 {data['order_no']}" if data.get("order_no") else "",
        f"导购 {data['guide']}" if moment.kind == "task_created" and data.get("guide") else "",
        source(str(data["source"])) if moment.kind == "coupon_issued" else "",
    ]
    return " · ".join(part for part in parts if part)
