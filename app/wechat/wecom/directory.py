"""Departments and members of staff (WeCom docs, path/90208, 90200, 90196)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import reply
from .topic import Topic


@dataclass(frozen=True)
class Department:
    id: int
    parent_id: int
    name: str
    order: int
    leaders: tuple[str, ...]


@dataclass(frozen=True)
class Staff:
    """A member. Apps made after June 2022 get no mobile, avatar or gender here. `status` 1 active, 2 disabled,
    4 not activated, 5 left.
    """

    userid: str
    name: str
    departments: tuple[int, ...]
    main_department: int | None
    position: str
    status: int


class Directory(Topic):
    def departments(self, parent_id: int | None = None) -> tuple[Department, ...]:
        """The visible departments under `parent_id`, itself included, at all depths."""
        params = {} if parent_id is None else {"id": str(parent_id)}
        answer = self.client.get("/cgi-bin/department/list", **params)
        return tuple(
            Department(
                id=reply.number(row, "id"),
                parent_id=reply.number(row, "parentid"),
                name=reply.optional_text(row, "name") or "",
                order=reply.number(row, "order"),
                leaders=reply.texts(row, "department_leader"),
            )
            for row in reply.objects(answer, "department")
        )

    def users(self, department_id: int) -> tuple[Staff, ...]:
        """The members directly in one department; `Rejected` with reason `response_too_large` in huge ones."""
        answer = self.client.get("/cgi-bin/user/list", department_id=str(department_id))
        return tuple(_staff(row) for row in reply.objects(answer, "userlist"))

    def user(self, userid: str) -> Staff:
        return _staff(self.client.get("/cgi-bin/user/get", userid=userid))


def _staff(row: dict[str, Any]) -> Staff:
    return Staff(
        userid=reply.text(row, "userid"),
        name=reply.optional_text(row, "name") or "",
        departments=tuple(int(entry) for entry in reply.texts(row, "department") if entry.isdigit()),
        main_department=reply.number(row, "main_department") or None,
        position=reply.optional_text(row, "position") or "",
        status=reply.number(row, "status", 1),
    )
