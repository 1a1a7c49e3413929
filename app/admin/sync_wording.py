"""What managers read about reconciliation, in Simplified Chinese."""

from __future__ import annotations

from typing import Any

KIND = {"full": "全量", "incremental": "增量"}
STATUS = {"running": "进行中", "waiting": "待确认", "done": "已完成", "failed": "失败", "cancelled": "已取消"}
COLOUR = {"running": "blue", "waiting": "gold", "done": "green", "failed": "red"}
STEP = {
    "departments": "部门",
    "staff": "员工",
    "tags": "企业标签",
    "customers": "客户",
    "contacts": "单个客户",
    "groups": "客户群",
    "chats": "群成员",
    "losses": "失效处理",
}
THING = {"departments": "部门", "staff": "员工", "tags": "企业标签", "follows": "客户关系", "groups": "客户群"}
CHANGE = {"added": "新增", "changed": "不一致", "lost": "已失效"}
CHANGE_COLOUR = {"added": "green", "changed": "gold", "lost": "red"}
FIELD = {
    "name": "名称",
    "parent_id": "上级部门",
    "sort": "排序",
    "status": "状态",
    "departments": "所在部门",
    "main_department": "主部门",
    "leader_of": "负责部门",
    "group_id": "标签组",
    "tags": "标签",
    "remark": "备注",
    "add_way": "添加方式",
    "state": "渠道",
    "added_at": "添加时间",
    "guide": "导购",
    "contact": "客户资料",
    "identity": "身份",
    "members": "成员数",
    "version": "成员版本",
}
FAILED = {
    "sync_running": "已有对账正在进行，请等待其完成。",
    "sync_not_waiting": "该对账无需确认。",
    "account_missing": "尚未配置企业微信账号。",
}
ERROR = {
    "superseded": "已由全量对账代替",
    "losses_not_confirmed": "失效数据超过一天未确认",
    "wechat_misconfigured": "企业微信账号配置有误",
    "wechat_unavailable": "企业微信接口无响应",
    "wechat_throttled": "企业微信接口调用超限",
    "account_missing": "尚未配置企业微信账号",
}


def facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts of one side of a difference, each with its name."""
    return [(FIELD.get(name, name), _spelled(value)) for name, value in sorted(values.items())]


def _spelled(value: Any) -> str:
    if value is None or value == []:
        return "无"
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)
