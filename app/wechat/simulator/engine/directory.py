"""Corps, apps, mini-programs, departments, staff and customers: who exists."""

from __future__ import annotations

import calendar
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from app.wechat.simulator.engine.rows import App, Corp, Customer, Department, MiniProgram, Staff, Target
from app.wechat.simulator.engine.world import Table, World, derive
from app.wechat.simulator.errors import ControlError, WireError

RowT = TypeVar("RowT")
BEIJING = timedelta(hours=8)


def fill(table: Table[RowT], key: str, row_type: type[RowT], values: dict[str, Any]) -> RowT:
    """Insert a row, or change the named fields of the one that is there. Unknown fields are errors."""
    names = {f.name for f in dataclasses.fields(row_type)}  # type: ignore[arg-type]
    unknown = set(values) - names
    if unknown:
        raise ControlError(f"unknown {table.name} fields: {', '.join(sorted(unknown))}")
    row = table.get(key)
    if row is None:
        try:
            return table.put(key, row_type(**values))
        except TypeError as error:
            raise ControlError(f"{table.name}: {error}") from error
    for name, value in values.items():
        setattr(row, name, value)
    table.touch(key)
    return row


class Directory:
    def __init__(self, world: World) -> None:
        self.world = world

    # --- upserts (control) -------------------------------------------------------------------------------------

    def put_corp(self, values: dict[str, Any]) -> Corp:
        """`apps` is a list of {agent_id, secret, name, visible, trusted_domains}, `callback` a target."""
        values = dict(values)
        apps, callback = values.pop("apps", []), values.pop("callback", None)
        with self.world.lock:
            corp_id = required(values, "corp_id")
            corp = fill(self.world.corps, corp_id, Corp, values)
            for app in apps:
                agent_id = int(required(app, "agent_id"))
                fill(self.world.apps, f"{corp_id}|{agent_id}", App, {**app, "corp_id": corp_id, "agent_id": agent_id})
            if callback is not None:
                self.put_target({**callback, "receiver": corp_id})
            if f"{corp_id}|1" not in self.world.departments:
                self.put_department({"corp_id": corp_id, "id": 1, "name": corp.name or corp_id, "parentid": 0})
            return corp

    def put_mini(self, values: dict[str, Any]) -> MiniProgram:
        values = dict(values)
        callback = values.pop("callback", None)
        with self.world.lock:
            appid = required(values, "appid")
            mini = fill(self.world.minis, appid, MiniProgram, values)
            mini.original_id = mini.original_id or "gh_" + derive(12, "original", appid).lower()
            for customer in self.world.customers:
                self._give_ids(customer)
            if callback is not None:
                self.put_target({**callback, "receiver": appid})
            return mini

    def put_target(self, values: dict[str, Any]) -> Target:
        with self.world.lock:
            receiver = required(values, "receiver")
            if values.get("format", "xml") not in ("xml", "json"):
                raise ControlError("format is xml or json")
            return fill(self.world.targets, receiver, Target, values)

    def put_department(self, values: dict[str, Any]) -> Department:
        with self.world.lock:
            values = self._with_corp(values)
            return fill(self.world.departments, f"{values['corp_id']}|{required(values, 'id')}", Department, values)

    def put_staff(self, values: dict[str, Any]) -> Staff:
        with self.world.lock:
            values = self._with_corp(values)
            staff = fill(self.world.staff, f"{values['corp_id']}|{required(values, 'userid')}", Staff, values)
            if staff.status == 5 and not staff.left_at:
                staff.left_at = int(self.world.now())
            return staff

    def put_customer(self, values: dict[str, Any]) -> Customer:
        """Ids that are not given are derived from the customer's id, so they are the same in every run.

        `unionid: null` makes a customer without one.
        """
        with self.world.lock:
            values = dict(values)
            key = required(values, "id")
            known = self.world.customers.get(key)
            if known is None and "unionid" not in values:
                values["unionid"] = "o" + derive(27, "unionid", key)
            if known is not None:
                for corp_id, external in known.external_userids.items():
                    self.world.customer_by_external.pop(f"{corp_id}|{external}", None)
                for appid, openid in known.openids.items():
                    self.world.customer_by_openid.pop(f"{appid}|{openid}", None)
                for name in ("openids", "external_userids"):
                    if name in values:
                        values[name] = {**getattr(known, name), **values[name]}
            customer = fill(self.world.customers, key, Customer, values)
            self._give_ids(customer)
            return customer

    def _give_ids(self, customer: Customer) -> None:
        for mini in self.world.minis:
            customer.openids.setdefault(mini.appid, "o" + derive(27, "openid", mini.appid, customer.id))
        for corp in self.world.corps:
            customer.external_userids.setdefault(corp.corp_id, "wm" + derive(30, "ext", corp.corp_id, customer.id))
        self.world.customers.touch(customer.id)
        self.world.index_customer(customer)

    # --- look-ups ----------------------------------------------------------------------------------------------

    def default_corp(self) -> str:
        corp = next(iter(self.world.corps), None)
        if corp is None:
            raise ControlError("no corp yet: POST /_control/corps first", 409)
        return corp.corp_id

    def default_mini(self) -> str:
        return self._default("mini", "no mini-program yet: POST /_control/miniprograms first")

    def default_official(self) -> str:
        return self._default("official", 'no official account yet: POST /_control/miniprograms with kind "official"')

    def _default(self, kind: str, missing: str) -> str:
        row = next((mini for mini in self.world.minis if mini.kind == kind), None)
        if row is None:
            raise ControlError(missing, 409)
        return row.appid

    def staff(self, corp_id: str, userid: str) -> Staff:
        staff = self.world.staff.get(f"{corp_id}|{userid}")
        if staff is None:
            raise ControlError(f"no staff {userid} in {corp_id}", 404)
        return staff

    def customer(self, key: str) -> Customer:
        """By id, external_userid or openid."""
        world = self.world
        found = world.customers.get(key)
        if found is None:
            for corp in world.corps:
                if f"{corp.corp_id}|{key}" in world.customer_by_external:
                    return world.customers.rows[world.customer_by_external[f"{corp.corp_id}|{key}"]]
            for mini in world.minis:
                if f"{mini.appid}|{key}" in world.customer_by_openid:
                    return world.customers.rows[world.customer_by_openid[f"{mini.appid}|{key}"]]
            raise ControlError(f"no customer {key}", 404)
        return found

    def visible_staff(self, app: App, userid: str) -> Staff:
        """For the servers: 60111 unknown, 60011 outside the app's visible range."""
        staff = self.world.staff.get(f"{app.corp_id}|{userid}")
        if staff is None:
            raise WireError(60111)
        if app.visible is not None and userid not in app.visible:
            raise WireError(60011)
        return staff

    def department_tree(self, corp_id: str, root: int) -> list[Department]:
        """`root` and everything below it."""
        rows = [d for d in self.world.departments if d.corp_id == corp_id]
        wanted, size = {root}, 0
        while size != len(wanted):
            size = len(wanted)
            wanted |= {d.id for d in rows if d.parentid in wanted}
        return [d for d in rows if d.id in wanted]

    def _with_corp(self, values: dict[str, Any]) -> dict[str, Any]:
        return values if values.get("corp_id") else {**values, "corp_id": self.default_corp()}


def required(values: dict[str, Any], name: str) -> Any:
    value = values.get(name)
    if value in (None, ""):
        raise ControlError(f"{name} is required")
    return value


def month_of(epoch: float) -> str:
    return (datetime.fromtimestamp(epoch, UTC) + BEIJING).strftime("%Y-%m")


def days_in_month(epoch: float) -> int:
    local = datetime.fromtimestamp(epoch, UTC) + BEIJING
    return calendar.monthrange(local.year, local.month)[1]
