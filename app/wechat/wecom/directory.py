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
    4 not activated, 5 left. `leader_of`: the departments they lead.
    """

    userid: str
    name: str
    departments: tuple[int, ...]
    main_department: int | None
    position: str
    status: int
    leader_of: tuple[int, ...] = ()


@dataclass(frozen=True)
class UserIdPage:
    """Who is in which department: a member of two departments appears twice."""

    rows: tuple[tuple[str, int], ...]  # userid, department
    next_cursor: str | None


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
            for row in reply.listing(answer, "department")
        )

    def users(self, department_id: int) -> tuple[Staff, ...]:
        """The members directly in one department; `Rejected` with reason `response_too_large` in huge ones."""
        answer = self.client.get("/cgi-bin/user/list", department_id=str(department_id))
        return tuple(_staff(row) for row in reply.listing(answer, "userlist"))

    def user_ids(self, *, cursor: str = "", limit: int = 10_000) -> UserIdPage:
        """Everybody the app sees, ids only, up to 10,000 rows a page; walk until `next_cursor` is None."""
        body = {"cursor": cursor, "limit": min(limit, 10_000)}
        answer = self.client.post("/cgi-bin/user/list_id", body, repeatable=True)
        rows = tuple(
            (reply.text(row, "userid"), reply.number(row, "department")) for row in reply.listing(answer, "dept_user")
        )
        return UserIdPage(rows, reply.optional_text(answer, "next_cursor"))

    def user(self, userid: str) -> Staff:
        return _staff(self.client.get("/cgi-bin/user/get", userid=userid))


def _staff(row: dict[str, Any]) -> Staff:
    departments = tuple(int(entry) for entry in reply.texts(row, "department") if entry.isdigit())
    leads = reply.texts(row, "is_leader_in_dept")
    return Staff(
        userid=reply.text(row, "userid"),
        name=reply.optional_text(row, "name") or "",
        departments=departments,
        main_department=reply.number(row, "main_department") or None,
        position=reply.optional_text(row, "position") or "",
        status=reply.number(row, "status", 1),
        leader_of=tuple(one for one, lead in zip(departments, leads, strict=False) if lead == "1"),
    )
