"""What a guide reads, in Simplified Chinese: moments in words."""

from __future__ import annotations

from app.coupons.wording import yuan
from app.dashboards.queries.timeline import Moment

SOURCES = {
    "till": "门店开卡",
    "pos": "门店开卡",
    "miniapp": "小程序",
    "import": "老会员导入",
    "wecom": "企业微信",
    "self": "自己领取",
    "sop": "导购任务",
    "tier": "等级权益",
    "push": "品牌推送",
    "guide": "导购发放",
    "welcome": "新人礼",
    "birthday": "生日礼",
    "order": "消费赠券",
    "referral": "邀请有礼",
    "redeem_code": "兑换码",
    "friend": "好友转赠",
    "admin": "总部发放",
}
LIFECYCLE = {
    "newcomer": "新客",
    "prospect": "未购",
    "first": "首购",
    "active": "活跃",
    "dormant": "沉睡",
    "lost": "流失",
}
# Moments a guide has no use for: each order's postings and what the page shows elsewhere.
HIDDEN = ("points", "task_created", "merged", "member_merged", "arrived", "tagged")


def moment(one: Moment) -> tuple[str, str]:
    """Headline and small print of a moment."""
    data = {name: value if value is not None else "" for name, value in one.data.items()}
    match one.kind:
        case "joined":
            return "成为会员", SOURCES.get(str(data["source"]), "")
        case "bound":
            return "绑定手机号", "小程序"
        case "followed":
            return "添加企业微信", str(data["guide"])
        case "guide_assigned":
            return "专属导购", str(data["guide"])
        case "order":
            back = "（已退款）" if data["status"] == "refunded" else ""
            return f"消费 {yuan(int(data['paid_fen']))}{back}", str(data["store"])
        case "refunded":
            return f"退款 {yuan(int(data['refunded_fen']))}", ""
        case "home_moved":
            return f"归属门店变为 {data['store']}", ""
        case "coupon_issued":
            return f"获得「{data['campaign']}」", SOURCES.get(str(data["source"]), "")
        case "coupon_redeemed":
            return f"使用「{data['campaign']}」", f"{data['store']} 优惠 {yuan(int(data['discount_fen']))}"
        case "coupon_returned":
            return f"退回「{data['campaign']}」", ""
        case "tier":
            return f"等级变为 {data['tier']}", ""
        case "task_done":
            return f"完成「{data['title']}」", str(data["guide"])
    return one.kind, ""
