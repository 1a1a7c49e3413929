"""What people read about a file: kinds, states, and why a row was refused, in Simplified Chinese."""

from __future__ import annotations

KIND = {
    "stores": "门店",
    "guides": "导购",
    "members": "会员",
    "orders": "订单（整单）",
    "order_lines": "订单明细",
    "refunds": "退款",
}
STATUS = {
    "uploaded": "等待处理",
    "checking": "试运行中",
    "running": "导入中",
    "done": "已完成",
    "failed": "失败",
    "cancelled": "已取消",
}

MALFORMED = "这一行有 {actual} 列，表头有 {expected} 列"
NOT_DECODED = "这一行有无法识别的字符，请将文件保存为 UTF-8 或 GB18030 编码"
NEEDED = "缺少{name}"
TOO_LONG = "{name}超过 {most} 个字符"
TOO_MANY = "一张订单最多 {most} 行"
NOT_WHOLE = "{name}不是整数，或不在 {low} 到 {high} 之间"
NOT_MONEY = "{name}不是有效金额（最多到分，不能为负数）"
NOT_MOMENT = "{name}不是有效时间，例如 2026-01-31 18:30:00"
FUTURE = "{name}晚于现在"
NOT_DAY = "{name}不是有效日期，例如 1990-01-31"
NOT_CHOICE = "{name}只能是：{choices}"
STORE_UNKNOWN = "没有编码为 {value} 的门店"
GUIDE_UNKNOWN = "没有账号为 {value} 的导购"
GUIDE_FOREIGN = "账号 {value} 属于另一个品牌的导购"
TIER_UNKNOWN = "没有编码为 {value} 的等级"
PHONE_INVALID = "手机号不正确"
TWICE = "同一文件中{name}重复出现"
NOBODY = "没有可以识别会员的编号（手机号、卡号等均无效）"
ERASED = "该顾客已注销并删除资料，不能通过导入恢复"
BUSY = "数据正被占用，请稍后重新导入这一行"
OPENING_NEGATIVE = "期初{name}不能为负数"

QUANTITY = "数量必须为正整数；退货请使用退款文件导入"
AMOUNT_MISMATCH = "单价 {unit} × 数量 {quantity} = {product}，与金额 {amount} 相差 {gap}"
PAID_MISMATCH = "金额 {amount} - 优惠 {discount} = {rest}，与实付 {paid} 相差 {gap}"
DISCOUNT_RANGE = "优惠 {discount} 超过金额 {amount}"
ORDER_MISMATCH = "各行实付合计 {sum}，与整单实付 {stated} 相差 {gap}"
HEAD_DIFFERS = "同一订单的{name}前后不一致"
ORDER_REFUSED = "同一订单的其他行有错误（第 {row} 行），整单未导入"
REFUND_REFUSED = "同一退款单的其他行有错误（第 {row} 行），整单未导入"
ORDER_LIVE = "该订单已由收银或商城实时上传，内容不同，不能用导入修改"
ORDER_SPLIT = "该订单的行在文件中不相邻，前面的行已导入；请按订单号排序后重新导入"
ORDER_REFUNDED = "该订单已有退款，不能再修改"
ORDER_UNKNOWN = "没有订单 {value}，请先导入订单"
LINES_MISMATCH = "明细合计 {sum}，与订单实付 {stated} 相差 {gap}"
REFUND_TOO_MUCH = "退款 {asked} 超过可退金额 {left}"
REFUND_CHANGED = "退款单号已存在，内容不同"
REFUND_LINE_UNKNOWN = "订单没有第 {value} 行"
REFUND_LINE_NEEDED = "订单有多行，部分退款需要写明行号"

FIELD = {
    "code": "门店编码",
    "name": "名称",
    "region": "区域",
    "dealer": "经销商",
    "department_id": "部门ID",
    "status": "状态",
    "userid": "企微账号",
    "store": "门店编码",
    "role": "职位",
    "source_id": "会员编号",
    "phone": "手机号",
    "card_no": "卡号",
    "unionid": "UnionID",
    "mall_account": "商城账号",
    "staff_id": "员工编号",
    "gender": "性别",
    "birthday": "生日",
    "guide": "导购",
    "joined_at": "入会时间",
    "tags": "标签",
    "tier": "等级",
    "points": "积分",
    "growth": "成长值",
    "order_no": "订单号",
    "paid_at": "付款时间",
    "channel": "渠道",
    "member": "会员编号",
    "total_fen": "原价",
    "discount_fen": "优惠",
    "paid_fen": "实付",
    "line_no": "行号",
    "sku": "商品编码",
    "category": "品类",
    "quantity": "数量",
    "unit_fen": "单价",
    "amount_fen": "金额",
    "order_paid_fen": "整单实付",
    "refund_no": "退款单号",
    "refunded_at": "退款时间",
    "reason": "原因",
}


def yuan(fen: int) -> str:
    """Fen as money is written in a file: 1234.50."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}"
