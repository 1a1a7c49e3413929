"""What guides read in messages that flows send them, in Simplified Chinese; the one place to change it."""

from __future__ import annotations

from typing import NamedTuple

OPEN = "去处理"
DONE = "已完成"
DONE_BY_CARD = "导购在消息卡片上确认已完成"
CARD_DONE = "已完成"
CARD_ELSEWHERE = "请到侧边栏完成"
CARD_OVER = "任务已结束"


class Words(NamedTuple):
    """Title and description of a text card."""

    title: str
    description: str


def new_tasks(count: int, first_title: str) -> Words:
    more = f"\n共 {count} 个任务等您处理" if count > 1 else ""
    return Words(f"您有 {count} 个新任务", f"{first_title}{more}\n点击查看客户和话术，完成后记得回来打卡。")


def overdue(count: int) -> Words:
    """For the guide whose tasks they are."""
    return Words(f"您有 {count} 个任务已超时", "客户还在等您，请尽快完成。")


def overdue_in_store(count: int) -> Words:
    """For the store's manager."""
    return Words(f"门店有 {count} 个任务超时未完成", "导购尚未处理，请您督促或亲自跟进。")
