"""The address book of a corp as WeCom last said, and what follows from it for guides: the one way in for callbacks and
for full reads, so that both end in the same state.

`at` is the moment of the news: CreateTime of a callback, or when the call of a read began (whole seconds, as callbacks
have no finer time). Older news never overwrites newer; news of one second ends the same in either order, as what is
gone wins.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session
from app.core.outbox import emit

from .events import GuideJoined, GuideLeft, GuideMoved, GuideRenamed
from .models import Department, Guide, Staff, StaffRename, Store

LEFT = 5
RENAMES = 10  # a userid may be changed once or twice in its life; a circle of renames must end


def put_department(
    *, brand_id: int, corp_id: str, department_id: int, parent_id: int | None, name: str, sort: int, at: datetime
) -> bool:
    """A department as it is at `at`; True when that is news."""
    facts = {"parent_id": parent_id, "name": name, "sort": sort, "deleted_at": None}
    return _put_department(brand_id, corp_id, department_id, facts, at)


def drop_department(*, brand_id: int, corp_id: str, department_id: int, at: datetime) -> bool:
    """A department is gone since `at`, known or not."""
    return _put_department(brand_id, corp_id, department_id, {"deleted_at": at}, at)


def drop_departments(*, brand_id: int, corp_id: str, but: Collection[int], at: datetime) -> list[int]:
    """A full read that began at `at` showed `but`: every other department is gone. Returns which went."""
    missing = session.scalars(
        select(Department.department_id)
        .where(Department.corp_id == corp_id, Department.deleted_at.is_(None), Department.department_id.not_in(but))
        .order_by(Department.department_id)
    ).all()
    return [one for one in missing if drop_department(brand_id=brand_id, corp_id=corp_id, department_id=one, at=at)]


def _put_department(brand_id: int, corp_id: str, department_id: int, facts: dict[str, Any], at: datetime) -> bool:
    key = {"corp_id": corp_id, "department_id": department_id}
    new = insert(Department).values(**key, brand_id=brand_id, changed_at=at, **{"name": "", "sort": 0, **facts})
    gone = facts["deleted_at"] is not None
    newer = Department.changed_at <= at if gone else _after(Department, at)
    changed = or_(*(getattr(Department, name).is_distinct_from(value) for name, value in facts.items()))
    statement = new.on_conflict_do_update(
        index_elements=list(key),
        # Of a department that was gone before, the first moment stays.
        set_={**facts, "changed_at": at},
        where=and_(newer, Department.deleted_at.is_(None) if gone else changed),
    )
    return session.scalar(statement.returning(Department.department_id)) is not None


def put_staff(
    *,
    brand_id: int,
    corp_id: str,
    userid: str,
    name: str,
    status: int,
    departments: Sequence[int],
    main_department: int | None,
    leader_of: Sequence[int],
    at: datetime,
) -> bool:
    """A member of staff as they are at `at`; True when that is news. The guide they are, become or were follows."""
    facts = {
        "name": name,
        "status": status if status in (1, 2, 4, LEFT) else 1,
        "departments": sorted(departments),
        "main_department": main_department,
        "leader_of": sorted(leader_of),
    }
    return _put_staff(brand_id, corp_id, userid, facts, at)


def drop_staff(*, brand_id: int, corp_id: str, userid: str, at: datetime) -> bool:
    """Somebody is not in the address book any more, or was never seen there."""
    gone = {"status": LEFT, "departments": [], "main_department": None, "leader_of": []}
    return _put_staff(brand_id, corp_id, userid, gone, at)


def _put_staff(brand_id: int, corp_id: str, userid: str, facts: dict[str, Any], at: datetime) -> bool:
    gone = facts["status"] == LEFT
    led = session.scalar(
        select(Staff.leader_of).where(Staff.corp_id == corp_id, Staff.userid == userid).with_for_update()
    )
    changed = or_(*(getattr(Staff, name).is_distinct_from(value) for name, value in facts.items()))
    statement = (
        insert(Staff)
        .values(corp_id=corp_id, userid=userid, brand_id=brand_id, changed_at=at, **{"name": "", **facts})
        .on_conflict_do_update(
            index_elements=["corp_id", "userid"],
            set_={**facts, "changed_at": at},
            where=and_(
                Staff.changed_at <= at,
                changed,
                or_(Staff.changed_at < at, Staff.status != LEFT, gone),
            ),
        )
    )
    if session.scalar(statement.returning(Staff.userid)) is None:
        return False
    _keep_guide(brand_id, corp_id, userid, led or [])
    return True


def _after(table: Any, at: datetime) -> Any:
    """News at `at` comes after the row's; what is gone since that very second stays gone."""
    return or_(table.changed_at < at, and_(table.changed_at == at, table.deleted_at.is_(None)))


def _keep_guide(brand_id: int, corp_id: str, userid: str, led: Sequence[int]) -> None:
    """Let the guide behind a userid be what the address book says: of which store, its manager or not, or gone.

    Who works in a department that is a store's becomes its guide. A guide who was entered by hand for a store without
    a department stays there; only leaving is believed of them. Who leads the department is its manager; who does not
    any more (`led`) is none, but a manager entered by hand, in a corp that names no leaders, stays one.
    """
    staff = session.get_one(Staff, (corp_id, userid), populate_existing=True)
    guide = session.scalar(
        select(Guide)
        .where(Guide.corp_id == corp_id, Guide.userid == userid)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if staff.status == LEFT:
        if guide is not None and guide.status == "active":
            guide.status = "left"
            session.flush()
            _tell_left(guide)
        return
    store = _store_of(brand_id, staff, guide)
    if guide is None:
        if store is not None:
            _join(staff, store)
        return
    if guide.brand_id != brand_id:
        return
    back = guide.status == "left"
    guide.status = "active"
    guide.name = staff.name or guide.name
    if store is not None:
        if store.department_id in staff.leader_of:
            guide.role = "store_manager"
        elif store.department_id in led or guide.store_id != store.id:
            guide.role = "guide"
        if guide.store_id != store.id:
            left, guide.store_id = guide.store_id, store.id
            emit(GuideMoved(brand_id=brand_id, guide_id=guide.id, from_store_id=left, store_id=store.id))
    session.flush()
    if back:
        _tell_joined(guide)


def _store_of(brand_id: int, staff: Staff, guide: Guide | None) -> Store | None:
    """The store whose department they work in: the one they are a guide of if it is among them, else the main one."""
    if not staff.departments:
        return None
    stores = session.scalars(
        select(Store)
        .where(Store.brand_id == brand_id, Store.department_id.in_(staff.departments), Store.status == "open")
        .order_by(Store.department_id)
    ).all()
    mine = [store for store in stores if guide is not None and guide.store_id == store.id]
    main = [store for store in stores if store.department_id == staff.main_department]
    return next(iter([*mine, *main, *stores]), None)


def _join(staff: Staff, store: Store) -> None:
    guide = Guide(
        brand_id=store.brand_id,
        store_id=store.id,
        corp_id=staff.corp_id,
        userid=staff.userid,
        name=staff.name,
        role=_role(staff, store),
    )
    session.add(guide)
    session.flush()
    _tell_joined(guide)


def _tell_left(guide: Guide) -> None:
    emit(
        GuideLeft(
            brand_id=guide.brand_id,
            guide_id=guide.id,
            store_id=guide.store_id,
            corp_id=guide.corp_id,
            userid=guide.userid,
        )
    )


def _tell_joined(guide: Guide) -> None:
    emit(
        GuideJoined(
            brand_id=guide.brand_id,
            guide_id=guide.id,
            store_id=guide.store_id,
            corp_id=guide.corp_id,
            userid=guide.userid,
        )
    )


def _role(staff: Staff, store: Store) -> str:
    return "store_manager" if store.department_id in staff.leader_of else "guide"


def rename_staff(*, brand_id: int, corp_id: str, userid: str, new_userid: str, at: datetime) -> str | None:
    """A userid became another at `at`; the guide stays who they are. The userid they have by now, which is yet another
    where later news came first; None when it was told before.

    Where the new userid was met before the old one's end, a guide was made for it already: that one, who has no past,
    takes the old userid and has left.
    """
    told = session.scalar(
        insert(StaffRename)
        .values(corp_id=corp_id, userid=userid, renamed_at=at, brand_id=brand_id, new_userid=new_userid)
        .on_conflict_do_nothing()
        .returning(StaffRename.userid)
    )
    if told is None:
        return None
    present = userid_now(corp_id, new_userid, at)
    guides = {
        guide.userid: guide
        for guide in session.scalars(
            select(Guide)
            .where(Guide.corp_id == corp_id, Guide.userid.in_([userid, present]))
            .order_by(Guide.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }
    old, new = guides.get(userid), guides.get(present)
    if old is not None:
        _swap(old, new, present)
    session.execute(
        delete(Staff).where(Staff.corp_id == corp_id, Staff.userid == userid, Staff.changed_at <= at),
        execution_options={"synchronize_session": "fetch"},
    )
    if session.get(Staff, (corp_id, present)) is not None:
        _keep_guide(brand_id, corp_id, present, [])
    emit(
        GuideRenamed(
            brand_id=brand_id,
            guide_id=old.id if old else None,
            corp_id=corp_id,
            userid=userid,
            new_userid=present,
            at=int(at.timestamp()),
        )
    )
    return present


def _swap(old: Guide, new: Guide | None, userid: str) -> None:
    """Give `old` its new userid; whoever bears it, the old one."""
    before = old.userid
    if new is not None:
        new.userid = f"{before}@{new.id}"  # a place to stand while both move
        session.flush()
    old.userid = userid
    session.flush()
    if new is not None:
        new.userid, new.status = before, "left"
        session.flush()
        _tell_left(new)  # what they got meanwhile goes to somebody


def userid_now(corp_id: str, userid: str, at: datetime) -> str:
    """The present userid of whom a userid meant at `at` (late news speaks of people by their old one)."""
    for _ in range(RENAMES):
        row = session.execute(
            select(StaffRename.new_userid, StaffRename.renamed_at)
            .where(StaffRename.corp_id == corp_id, StaffRename.userid == userid, StaffRename.renamed_at >= at)
            .order_by(StaffRename.renamed_at)
            .limit(1)
        ).one_or_none()
        if row is None:
            return userid
        userid, at = row
    return userid
