"""Reads: material as one store and one customer see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from app.core.db import session

from . import rules
from .errors import MaterialUnknown
from .models import Material, MaterialOverride

WELCOME_CODE = "welcome"
DEFAULT_WELCOME = "{name}，您好！我是{store}的{guide}，很高兴为您服务。"


@dataclass(frozen=True)
class Attachment:
    """One card beside a text. `kind` is image, link or miniprogram; fields a kind does not use are empty.

    `url` is what a link opens, `page` the path inside the mini-program, `image_url` the picture or the card's cover.
    """

    kind: str
    title: str
    description: str = ""
    url: str = ""
    image_url: str = ""
    page: str = ""


@dataclass(frozen=True)
class Rendered:
    """What is sent: `text` (may be empty beside attachments) and the cards after it."""

    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class MaterialView:
    """Material with the store's wording put in, variables still in it."""

    material_id: int
    code: str
    kind: str
    title: str
    body: str
    image_url: str | None
    link_url: str | None
    page: str | None

    def rendered(self, values: Mapping[str, str | None]) -> Rendered:
        """The material with `values` (name, store, guide, coupon, ..; see rules.VARIABLES) in place of variables."""
        text = rules.render(self.body, values)
        if self.kind == "text":
            return Rendered(text)
        title = rules.render(self.title, values)
        if self.kind == "image":
            return Rendered(text, (Attachment("image", title, image_url=self.image_url or ""),))
        if self.kind == "link":
            card = Attachment("link", title, text, url=self.link_url or "", image_url=self.image_url or "")
            return Rendered("", (card,))
        card = Attachment("miniprogram", title, page=self.page or "", image_url=self.image_url or "")
        return Rendered(text, (card,))


def material(brand_id: int, material_id: int, store_id: int | None = None) -> MaterialView:
    """One material as a store says it; MaterialUnknown when it is not there or archived."""
    found = _select(brand_id, store_id, [material_id])
    if not found:
        raise MaterialUnknown()
    return found[0]


def materials(brand_id: int, store_id: int | None = None, ids: Sequence[int] | None = None) -> list[MaterialView]:
    """All active material of a brand (or those of `ids`), newest first, as a store says it."""
    return _select(brand_id, store_id, ids)


def welcome(
    brand_id: int,
    material_id: int | None = None,
    store_id: int | None = None,
    values: Mapping[str, str | None] | None = None,
) -> Rendered:
    """What a customer who has just added a guide is told.

    The channel code's material, else the brand's material with code `welcome`, else a plain greeting. Material that
    is gone or archived falls back too: the welcome code lives 20 s and a greeting is better than an error.
    """
    found = _select(brand_id, store_id, [material_id]) if material_id is not None else []
    if not found:
        default = session.scalar(
            select(Material.material_id).where(Material.brand_id == brand_id, Material.code == WELCOME_CODE)
        )
        found = _select(brand_id, store_id, [default]) if default is not None else []
    if found:
        return found[0].rendered(values or {})
    return Rendered(rules.render(DEFAULT_WELCOME, values or {}))


def _select(brand_id: int, store_id: int | None, ids: Sequence[int] | None) -> list[MaterialView]:
    override = and_(
        MaterialOverride.brand_id == Material.brand_id,
        MaterialOverride.material_id == Material.material_id,
        MaterialOverride.store_id == store_id,
    )
    statement = (
        select(
            Material.material_id,
            Material.code,
            Material.kind,
            func.coalesce(MaterialOverride.title, Material.title),
            func.coalesce(MaterialOverride.body, Material.body),
            Material.image_url,
            Material.link_url,
            Material.page,
        )
        .outerjoin(MaterialOverride, override)
        .where(Material.brand_id == brand_id, Material.status == "active")
        .order_by(Material.material_id.desc())
    )
    if ids is not None:
        statement = statement.where(Material.material_id.in_(ids))
    return [MaterialView(*row) for row in session.execute(statement)]
