"""What managers read, in Simplified Chinese: events, moments and states in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.dashboards.queries.feed import Happened
from app.dashboards.queries.timeline import Moment

ROLES = {"hq": "总部", "region": "区域", "dealer": "经销商", "store": "门店"}
TASK_STATUS = {"open": "待完成", "done": "已完成", "expired": "已过期", "cancelled": "已取消"}
CAMPAIGN_STATUS = {
    "draft": "草稿",
    "submitted": "待审批",
    "active": "进行中",
    "paused": "已暂停",
    "ended": "已结束",
    "voided": "已作废",
}
CAMPAIGN_COLOUR = {"submitted": "blue", "active": "green", "paused": "gold", "voided": "red", "draft": "", "ended": ""}
CAMPAIGN_STEP = {
    "create": "创建",
    "submit": "提交",
    "approve": "审批通过",
    "reject": "驳回",
    "activate": "启用",
    "pause": "暂停",
    "resume": "恢复",
    "end": "结束",
    "void": "作废",
    "revise": "修改条款",
    "add_stock": "追加库存",
    "set_budget": "调整预算",
    "set_day_quota": "调整每日限量",
    "allocate": "分配门店配额",
}
CAMPAIGN_STEP_MEANS = {
    "reject": "退回给提交人修改。",
    "pause": "暂停后不能领取，已发出的券也暂不能使用。",
    "end": "结束后不再发放，已发出的券仍可使用，不能再恢复。",
    "void": "作废后不再发放，已发出未使用的券全部收回，不能再恢复。",
}
CAMPAIGN_CHANNEL = {"till": "门店收银系统", "desk": "收银台页面", "mall": "商城"}
WEEKDAY = {1: "周一", 2: "周二", 3: "周三", 4: "周四", 5: "周五", 6: "周六", 7: "周日"}
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
    "mall": "商城",
    "miniapp": "小程序",
    "miniapp.phone": "小程序绑定手机号",
    "miniapp.login": "小程序登录",
    "official": "公众号",
    "import": "批量导入",
    "wecom": "企业微信",
    "wecom.contact": "企微客户资料",
    "wecom.customer_added": "添加企微",
    "wecom.customer_lost": "企微删除",
    "wecom.convert": "企微编号转换",
    "wecom.sync": "企微对账",
    "code": "渠道活码",
    "review": "人工审核",
    "split": "人工拆分",
    "self": "自助领取",
    "sop": "导购任务",
    "tier": "等级权益",
    "push": "人群推送",
    "guide": "导购发放",
    "welcome": "新人礼",
    "birthday": "生日礼",
    "order": "消费赠券",
    "referral": "邀请有礼",
    "redeem_code": "兑换码",
    "friend": "好友转赠",
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
UNDO_REASON = {
    "order_cancelled": "顾客取消购买",
    "wrong_amount": "金额或订单号录错",
    "wrong_coupon": "核错了券",
    "other_offer": "改用其他优惠",
    "fault": "设备或网络故障",
}
UNDO_RULE = "撤销规则：限核销当日；核销人本人 30 分钟内可撤销，之后由本店其他账号或上级撤销；订单已上传的请走退货流程。"
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
LIFECYCLE = {
    "newcomer": "新客",
    "prospect": "未购",
    "first": "首购",
    "active": "活跃",
    "dormant": "沉睡",
    "lost": "流失",
}
LIFECYCLE_COLOUR = {"newcomer": "blue", "first": "blue", "active": "green", "dormant": "gold", "lost": "red"}
TAG_KIND = {"manual": "手动", "rule": "规则", "wecom": "企业微信"}
TAG_SOURCE = {"manual": "人工", "rule": "规则", "wecom": "企业微信", "import": "导入"}
GENDER = {1: "男", 2: "女"}
CHANGE_KIND = {"guide": "专属导购", "home_store": "归属门店", "follow": "添加导购", "arrival": "渠道到来"}
_CHANGE_REASON = {
    "joined": "入会",
    "filled": "补录",
    "guide_assigned": "随专属导购",
    "added": "添加好友",
    "import": "导入",
    "active": "好友中",
    "lost": "已流失",
    "deleted": "已删除",
    "opened": "进入小程序",
    "follow": "添加好友",
    "handover": "交接",
    "console": "后台调整",
    "merge": "会员合并",
    "split": "会员拆分",
    "code": "渠道活码",
}
_JOURNAL = {
    "earn": "获得",
    "spend": "使用",
    "expire": "过期",
    "adjust": "调整",
    "refund": "退回",
    "merge": "随会员合并转移",
}
REVIEW_STATUS = {"open": "待处理", "merged": "已合并", "kept_apart": "保持独立"}
STRENGTH = {"proof": "唯一证明", "strong": "微信认证", "weak": "人工填写"}
PROOF = {
    "proved": "顾客已凭卡号与资料证明",
    "unproved": "顾客称是本人，档案无可核对的资料",
    "proof_failed": "顾客多次未能证明",
    "moved_often": "号码短期内多次易主",
}
_REVIEW_REASON = {
    "two_members": "同一手机号对应两个会员",
    "long_unseen": "号码的原会员久未到访，可能已换人",
    "not_mine": "顾客表示号码原主人不是本人",
    "split": "人工拆分过",
    "kept_apart": "此前已判定为两人",
}
_CURRENCY = {"points": "积分", "growth": "成长值"}


def yuan(fen: int | None) -> str:
    """Fen as people read money: ¥1,234.50."""
    whole = fen or 0
    return f"{'-' if whole < 0 else ''}¥{abs(whole) // 100:,}.{abs(whole) % 100:02}"


def campaign_details(details: Mapping[str, Any], stores: Mapping[str, str]) -> str:
    """What a step of a campaign set, in words; `stores` are names by code."""
    told = []
    for name, value in details.items():
        if value is None:
            continue
        match name:
            case "quota" | "more":
                told.append(f"{'发行' if name == 'quota' else '追加'} {value:,} 张")
            case "budget_fen":
                told.append(f"预算 {yuan(value)}")
            case "day_quota":
                told.append(f"每日 {value:,} 张")
            case "version":
                told.append(f"第 {value} 版")
            case "quotas":
                parts = [f"{stores[store]} {count:,} 张" for store, count in value.items() if store in stores]
                told += [*parts[:5], f"等 {len(parts)} 家门店"] if len(parts) > 5 else parts
    return "，".join(told)


def source(code: str) -> str:
    """Where something was told or given: by the whole code, else by what stands before its dot or colon."""
    return SOURCE.get(code) or SOURCE.get(re.split("[.:]", code, maxsplit=1)[0], code)


def change_reason(code: str) -> str:
    """Why a guide or a home store changed, or how a relation stands; an operator's own words as they are."""
    return _CHANGE_REASON.get(code, code)


def review_reason(code: str) -> str:
    """What keeps two persons apart, in words."""
    head, _, kind = code.partition("_")
    if head == "differing":
        return f"{ID_KIND.get(kind, kind)}不一致"
    if code.startswith("too_many_"):
        kind = code.removeprefix("too_many_")
        return f"{ID_KIND.get(kind, kind)}数量异常"
    return _REVIEW_REASON.get(code, code)


def merge_reason(code: str) -> str:
    """Who told that ids belong together, and by which kind of id: `till: mobile`."""
    told, _, kind = code.partition(": ")
    words = source(told)
    return f"{words}（{ID_KIND.get(kind, kind)}）" if kind else words


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
        case "arrived":
            return f"{'扫渠道活码到来' if data['how'] == 'added' else '扫码进入小程序'}：{data['code']}"
        case "merged":
            return "身份合并：识别为同一位顾客"
        case "member_merged":
            return f"并入会员 {data['number']}"
        case "home_moved":
            return f"归属门店变更为 {data['store'] or '无'}"
        case "refunded":
            return f"退款 {yuan(moment.data['refunded_fen'])}"
        case "tagged":
            return f"{'打上' if data['held'] else '移除'}标签「{data['tag']}」"
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
        TAG_SOURCE.get(str(data["source"]), "") if moment.kind == "tagged" else "",
        change_reason(str(data["reason"])) if moment.kind == "home_moved" else "",
    ]
    return " · ".join(part for part in parts if part)
