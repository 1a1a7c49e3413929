"""Writes: operators' material and a store's own wording."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session

from . import rules
from .errors import MaterialInvalid, MaterialUnknown
from .models import Material, MaterialOverride


def save_material(
    *,
    brand_id: int,
    code: str,
    kind: str,
    title: str,
    body: str = "",
    image_url: str | None = None,
    link_url: str | None = None,
    page: str | None = None,
    status: str = "active",
) -> int:
    """Create or replace the material called `code`; returns its id. Variables must be known (rules.VARIABLES)."""
    rules.check(kind=kind, title=title, body=body, image_url=image_url, link_url=link_url, page=page)
    values = {
        "kind": kind,
        "title": title,
        "body": body,
        "image_url": image_url,
        "link_url": link_url,
        "page": page,
        "status": status,
        "changed_at": clock.now(),
    }
    statement = insert(Material).values(brand_id=brand_id, material_id=ids.new_id(), code=code, **values)
    saved = session.scalar(
        statement.on_conflict_do_update(index_elements=["brand_id", "code"], set_=values).returning(
            Material.material_id
        )
    )
    assert saved is not None
    return saved


def override_material(
    *, brand_id: int, material_id: int, store_id: int, title: str | None = None, body: str | None = None
) -> None:
    """Say it differently in one store; both None takes the store's wording away again."""
    known = session.scalar(
        select(Material.material_id).where(Material.brand_id == brand_id, Material.material_id == material_id)
    )
    if known is None:
        raise MaterialUnknown()
    if (title and len(title) > rules.MAX_TITLE) or (body and len(body) > rules.MAX_BODY):
        raise MaterialInvalid(field="title" if title and len(title) > rules.MAX_TITLE else "body")
    rules.check_variables(title, body)
    key = {"brand_id": brand_id, "material_id": material_id, "store_id": store_id}
    session.execute(
        insert(MaterialOverride)
        .values(**key, title=title, body=body)
        .on_conflict_do_update(index_elements=list(key), set_={"title": title, "body": body})
    )
