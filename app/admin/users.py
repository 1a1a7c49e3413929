"""Who works in the console: the list of users, new ones, keeping one out, helping one who is locked out."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.core import audit, ids
from app.core.errors import Invalid, NotFound, SiyuError
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.org import admins, queries, second_factor
from app.org.models import AdminUser
from app.settings import CONSOLE_ROLES

from . import scope
from .blueprint import api
from .console import console

_PLACES = {"region": "rgn", "dealer": "dlr", "store": "sto"}


class UserOut(Schema):
    """`place` is the region, dealer or store whose rows the user sees; null for headquarters."""

    id = PublicId("adm", attribute="id")
    login = fields.String()
    name = fields.String()
    role = fields.String()
    place = fields.String(allow_none=True)
    status = fields.String()
    second_factor = fields.Boolean()
    locked = fields.Boolean()


class UsersOut(Page):
    items = fields.List(fields.Nested(UserOut))


class UserIn(Schema):
    login = fields.String(required=True, validate=Length(3, 100))
    name = fields.String(required=True, validate=Length(1, 50))
    role = fields.String(required=True, validate=OneOf(CONSOLE_ROLES))
    place = fields.String(
        load_default="", validate=Length(max=60), metadata={"description": "Code of the region, dealer or store."}
    )


class CreatedOut(Schema):
    id = PublicId("adm", attribute="id")
    login = fields.String()
    password = fields.String(metadata={"description": "To hand over; shown this once, to be changed at first login."})


class DoneOut(Schema):
    status = fields.String()


@api.get("/users")
@api.output(UsersOut)
@api.doc(summary="Console users of the brand", security="AdminToken", responses=[401, 403])
def users() -> dict[str, Any]:
    return {"items": listed(), "next_cursor": None}


@api.post("/users")
@api.input(UserIn, arg_name="given")
@api.output(CreatedOut, status_code=201)
@api.doc(summary="Create a console user", security="AdminToken", responses=[401, 403, 409, 422])
def create_user(given: dict[str, str]) -> dict[str, Any]:
    return _create(given)


@api.post("/users/<user_id>/disable")
@api.output(DoneOut)
@api.doc(summary="Keep a user out, at once", security="AdminToken", responses=[401, 403, 404, 409])
def disable_user(user_id: str) -> dict[str, str]:
    _set_status(user_id, active=False)
    return {"status": "ok"}


@api.post("/users/<user_id>/enable")
@api.output(DoneOut)
@api.doc(summary="Let a user in again", security="AdminToken", responses=[401, 403, 404])
def enable_user(user_id: str) -> dict[str, str]:
    _set_status(user_id, active=True)
    return {"status": "ok"}


@api.post("/users/<user_id>/reset")
@api.output(CreatedOut)
@api.doc(summary="A new password for one who is locked out", security="AdminToken", responses=[401, 403, 404, 409])
def reset_user(user_id: str) -> dict[str, Any]:
    """Removes the second factor as well: for a lost phone. The user sets up both anew."""
    return _reset(user_id)


@console.get("/users", endpoint="users")
def users_page() -> str:
    return _page()


@console.post("/users", endpoint="create_user")
def create_on_page() -> ResponseReturnValue:
    given = {name: request.form.get(name, "").strip()[:100] for name in ("login", "name", "role", "place")}
    if problems := UserIn().validate(given):
        return _page(failed="invalid", fields=sorted(problems), given=given), 422
    try:
        return _page(handed=_create(given))
    except (NotFound, Invalid, admins.LoginTaken) as error:
        return _page(failed=error.code, given=given), error.status


@console.post("/users/<user_id>", endpoint="change_user")
def change_on_page(user_id: str) -> ResponseReturnValue:
    act = request.form.get("act", "")
    try:
        if act == "reset":
            return _page(handed=_reset(user_id))
        if act not in ("disable", "enable"):
            raise Invalid()
        _set_status(user_id, active=act == "enable")
    except NotMyself as error:
        return _page(failed=error.code), error.status
    return _page()


class NotMyself(SiyuError):
    code, status, message = "not_myself", 409, "Nobody locks themselves out: ask another administrator."


def listed() -> list[dict[str, Any]]:
    """The brand's users as the API answers and the page shows them."""
    brand_id = scope.current().brand_id
    names = _place_names(brand_id)
    return [
        {
            "id": user.id,
            "login": user.login,
            "name": user.name,
            "role": user.role,
            "place": names.get((user.role, getattr(user, f"{user.role}_id", None) or 0)),
            "status": user.status,
            "second_factor": user.factor_since is not None,
            "locked": admins.is_locked(user),
        }
        for user in queries.admin_users(brand_id)
    ]


def _page(**more: Any) -> str:
    brand_id = scope.current().brand_id
    places = {
        "region": queries.regions(brand_id),
        "dealer": queries.dealers(brand_id),
        "store": queries.stores(brand_id),
    }
    return render_template("console/users.html", items=listed(), places=places, **more)


def _create(given: dict[str, str]) -> dict[str, Any]:
    me, role = scope.current(), given["role"]
    password = admins.new_password()
    with transaction():
        where = {} if role == "hq" else {f"{role}_id": _place_id(me.brand_id, role, given.get("place", ""))}
        made = admins.create_admin(
            login=given["login"],
            password=password,
            name=given["name"],
            role=role,
            brand_id=me.brand_id,
            must_change_password=True,
            **where,
        )
        audit.record(actor=me.actor, action="admin.create", subject=ids.encode("adm", made.id), role=role)
    return {"id": made.id, "login": made.login, "password": password}


def _set_status(user_id: str, *, active: bool) -> None:
    me = scope.current()
    with transaction():
        user = _other(user_id)
        admins.set_status(admin_id=user.id, active=active)
        audit.record(actor=me.actor, action="admin.enable" if active else "admin.disable", subject=user_id)


def _reset(user_id: str) -> dict[str, Any]:
    me, password = scope.current(), admins.new_password()
    with transaction():
        user = _other(user_id)
        admins.set_password(admin_id=user.id, password=password, must_change=True)
        second_factor.remove(admin_id=user.id)
        audit.record(actor=me.actor, action="admin.reset", subject=user_id)
    return {"id": user.id, "login": user.login, "password": password}


def _other(user_id: str) -> AdminUser:
    """Another user of this brand; NotFound for one of another brand or of the group, NotMyself."""
    me = scope.current()
    user = queries.admin_user_by_id(ids.decode("adm", user_id))
    if user is None or user.brand_id != me.brand_id:
        raise NotFound()
    if user.id == me.admin_id:
        raise NotMyself()
    return user


def _place_id(brand_id: int, role: str, code: str) -> int:
    return next((one.id for one in _places(brand_id, role) if one.code == code), None) or _no_place()


def _no_place() -> int:
    raise Invalid("There is no such region, dealer or store.", field="place")


def _places(brand_id: int, role: str) -> Any:
    return {"region": queries.regions, "dealer": queries.dealers, "store": queries.stores}[role](brand_id)


def _place_names(brand_id: int) -> dict[tuple[str, int], str]:
    return {(role, one.id): one.name for role in _PLACES for one in _places(brand_id, role)}
