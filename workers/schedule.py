"""The schedule: the one cron table, in the brands' time zone. Any number may run; each slot is one row."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from app.core import log, slots
from app.core.errors import SiyuError
from app.core.transaction import transaction

from .application import app

ZONE = ZoneInfo("Asia/Shanghai")
TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Task:
    """A task's name in the wiring table, its five-field cron line, its queue, and how many missed slots to catch up."""

    name: str
    cron: str
    queue: str = "bulk"
    catch_up: int = 1

    def following(self, moment: datetime) -> datetime:
        found: datetime = croniter(self.cron, moment.astimezone(ZONE)).get_next(datetime)
        return found


TABLE = (
    Task("coupons.expire", "*/5 * * * *"),
    Task("coupons.release_locks", "* * * * *", queue="default"),
    Task("coupons.withdraw", "* * * * *"),
    Task("coupons.birthdays", "5 * * * *"),
    Task("coupons.pushes", "*/10 * * * *"),
    Task("coupons.waiters", "*/10 * * * *"),
    Task("coupons.watch", "* * * * *"),
    Task("coupons.twins_tend", "*/10 * * * *"),
    Task("coupons.stocks", "*/10 * * * *", queue="default"),
    Task("coupons.twins_compare", "50 1 * * *", queue="default"),
    Task("sop.distribute", "* * * * *"),
    Task("sop.remind", "*/10 * * * *"),
    Task("channels.codes", "*/10 * * * *"),
    Task("tiers.review", "20 3 * * *"),
    Task("points.expire", "40 3 * * *"),
    Task("traits.rebuild", "20 2 * * *"),
    Task("tags.apply_rules", "25 * * * *"),
    Task("privacy.retention", "30 2 * * *"),
    Task("privacy.rekey", "25 * * * *"),
    Task("privacy.erase_due", "15 * * * *", queue="default"),
    Task("sync.nightly", "0 1 * * *", queue="default"),
    Task("sync.convert", "50 * * * *", queue="default"),
    Task("sync.frequently", "7,37 * * * *", queue="default"),
    Task("core.invariants", "10 4 * * *"),
    Task("core.forget", "30 4 * * *"),
)


def step() -> int:
    """Open every slot that has come; returns how many were new."""
    with transaction():
        return sum(slots.open_due(task.name, task.queue, task.following, task.catch_up) for task in TABLE)


def main() -> None:
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while running:
        try:
            with app.app_context():
                step()
        except SiyuError as error:
            log.get("schedule").warning("schedule round failed", exc_info=error)
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main()
