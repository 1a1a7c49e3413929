"""Handing customers over: per-row errcodes, 24 hours in which the customer may refuse (path/92125, path/94096)."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.contacts import Contacts
from app.wechat.simulator.engine.rows import App, Transfer
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

WAIT = 86400
PER_90_DAYS = 2


class Transfers:
    def __init__(self, world: World, contacts: Contacts) -> None:
        self.world, self.contacts = world, contacts

    def start(self, app: App, body: dict[str, Any], *, resigned: bool) -> list[dict[str, Any]]:
        """One errcode per row; the customer may refuse for 24 hours, then it happens by itself."""
        world = self.world
        handover, takeover = str(body.get("handover_userid", "")), str(body.get("takeover_userid", ""))
        externals = list(body.get("external_userid") or [])
        if not externals or len(externals) > 100:
            raise WireError(40058)
        giver = world.staff.get(f"{app.corp_id}|{handover}")
        taker = world.staff.get(f"{app.corp_id}|{takeover}")
        if giver is None or (resigned and giver.status != 5):
            raise WireError(40097 if resigned and giver else 60111)
        if taker is None or taker.status != 1 or handover == takeover:
            raise WireError(40098)
        self.settle()
        return [
            {"external_userid": external, "errcode": self._begin(app, handover, takeover, external, resigned)}
            for external in externals
        ]

    def _begin(self, app: App, handover: str, takeover: str, external: str, resigned: bool) -> int:
        world = self.world
        if external not in world.follows_by_staff.get(f"{app.corp_id}|{handover}", {}):
            return 40096
        rows = [t for t in world.transfers if t.corp_id == app.corp_id and t.external_userid == external]
        if any(t.status == 2 for t in rows):
            return 40100
        if len([t for t in rows if t.status == 1 and t.created > world.now() - 90 * 86400]) >= PER_90_DAYS:
            return 40128
        row = Transfer(app.corp_id, external, handover, takeover, int(world.now()), resigned)
        world.transfers.put(f"{app.corp_id}|{world.sequence()}", row)
        return 0

    def settle(self) -> None:
        """Complete what has waited 24 hours; called by every read, so advancing the clock is enough."""
        for key, row in list(self.world.transfers.rows.items()):
            if row.status == 2 and self.world.now() - row.created >= WAIT:
                self._finish(key, row, 1)

    def decide(self, corp_id: str, external: str, outcome: str) -> int:
        """The customer's answer: accepted, refused or limit."""
        status = {"accepted": 1, "refused": 3, "limit": 4}.get(outcome)
        if status is None:
            raise ControlError("outcome is accepted, refused or limit")
        with self.world.lock:
            waiting = [
                (k, t)
                for k, t in self.world.transfers.rows.items()
                if t.corp_id == corp_id and t.external_userid == external and t.status == 2
            ]
            for key, row in waiting:
                self._finish(key, row, status)
            return len(waiting)

    def _finish(self, key: str, row: Transfer, status: int) -> None:
        world = self.world
        row.status, row.takeover_time = status, int(world.now()) if status == 1 else 0
        world.transfers.touch(key)
        if status != 1:
            reason = "customer_refused" if status == 3 else "customer_limit_exceed"
            world.emit(
                row.corp_id, self.contacts.event("transfer_fail", row.takeover, row.external_userid, FailReason=reason)
            )
            return
        customer = world.customers.rows[world.customer_by_external[f"{row.corp_id}|{row.external_userid}"]]
        old = world.follows_by_staff.get(f"{row.corp_id}|{row.handover}", {}).get(row.external_userid)
        if old is not None:
            self.contacts.delete(row.corp_id, row.handover, customer, source="DELETE_BY_TRANSFER")
        self.contacts.put(
            row.corp_id,
            row.takeover,
            customer,
            add_way=202,
            tags=old.tags if old else [],
            remark=old.remark if old else "",
        )
        world.emit(row.corp_id, self.contacts.event("add_external_contact", row.takeover, row.external_userid))
