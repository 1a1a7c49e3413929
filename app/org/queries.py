"""Reads of the organisation. Rows are for reading; `commands` changes them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from app.core.db import session

from .models import AdminUser, ApiClient, Brand, Dealer, Guide, PlatformAccount, Region, Store


def brand(brand_id: int) -> Brand:
    """The brand; NoResultFound is a bug here, as brand ids never come from a client."""
    return session.get_one(Brand, brand_id)


def brands() -> list[Brand]:
    return list(session.scalars(select(Brand).order_by(Brand.id)))


def store(brand_id: int, store_id: int) -> Store | None:
    return session.scalar(select(Store).where(Store.brand_id == brand_id, Store.id == store_id))


def store_by_code(brand_id: int, code: str) -> Store | None:
    return session.scalar(select(Store).where(Store.brand_id == brand_id, Store.code == code))


def stores(brand_id: int) -> list[Store]:
    return list(session.scalars(select(Store).where(Store.brand_id == brand_id).order_by(Store.code)))


def store_names(brand_id: int, store_ids: Collection[int]) -> dict[int, str]:
    """The names of some of the brand's stores by id."""
    found = select(Store.id, Store.name).where(Store.brand_id == brand_id, Store.id.in_(sorted(store_ids)))
    return {row.id: row.name for row in session.execute(found)}


def regions(brand_id: int) -> list[Region]:
    return list(session.scalars(select(Region).where(Region.brand_id == brand_id).order_by(Region.code)))


def dealers(brand_id: int) -> list[Dealer]:
    return list(session.scalars(select(Dealer).where(Dealer.brand_id == brand_id).order_by(Dealer.code)))


def guide(guide_id: int) -> Guide | None:
    return session.get(Guide, guide_id)


def guide_by_userid(corp_id: str, userid: str) -> Guide | None:
    """The guide behind a WeCom userid. WeCom compares userids without regard to case in some answers, exactly here."""
    return session.scalar(select(Guide).where(Guide.corp_id == corp_id, Guide.userid == userid))


def guides_of_store(store_id: int) -> list[Guide]:
    """Active staff of a store, managers last."""
    found = select(Guide).where(Guide.store_id == store_id, Guide.status == "active").order_by(Guide.role, Guide.id)
    return list(session.scalars(found))


def guides(brand_id: int) -> list[Guide]:
    """All staff of a brand, those who left too."""
    return list(session.scalars(select(Guide).where(Guide.brand_id == brand_id).order_by(Guide.id)))


def account(brand_id: int, kind: str) -> PlatformAccount | None:
    """The brand's account of a kind (wecom, miniprogram, official)."""
    return session.scalar(
        select(PlatformAccount).where(PlatformAccount.brand_id == brand_id, PlatformAccount.kind == kind)
    )


def account_by_namespace(kind: str, namespace: str) -> PlatformAccount | None:
    """The account with a corp id or appid."""
    return session.scalar(
        select(PlatformAccount).where(PlatformAccount.kind == kind, PlatformAccount.namespace == namespace)
    )


def api_client(key_id: str) -> ApiClient | None:
    return session.scalar(select(ApiClient).where(ApiClient.key_id == key_id))


def admin_user(login: str) -> AdminUser | None:
    return session.scalar(select(AdminUser).where(AdminUser.login == login))


def admin_users(brand_id: int) -> list[AdminUser]:
    """The brand's console users, headquarters first; the group's own are not among them."""
    found = select(AdminUser).where(AdminUser.brand_id == brand_id).order_by(AdminUser.role, AdminUser.login)
    return list(session.scalars(found))


def admin_user_by_id(admin_id: int) -> AdminUser | None:
    return session.get(AdminUser, admin_id)


def brand_by_code(code: str) -> Brand | None:
    return session.scalar(select(Brand).where(Brand.code == code))
