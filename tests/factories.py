"""Small worlds for tests: a brand with stores, guides and accounts, committed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from app.core.db import session
from app.core.transaction import transaction
from app.org import admins, commands
from app.org.models import AdminUser, ApiClient, Brand, Dealer, Guide, PlatformAccount, Region, Store

_numbers = itertools.count(1)

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PASSWORD = "correct horse battery"


@dataclass
class World:
    """One brand: two stores (the second a dealer's), three guides (two in the first store), WeCom and mini-program."""

    brand: Brand
    region: Region
    dealer: Dealer
    stores: list[Store]
    guides: list[Guide]
    wecom: PlatformAccount
    miniprogram: PlatformAccount
    till: ApiClient
    till_secret: str
    admin: AdminUser
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def brand_id(self) -> int:
        return self.brand.id

    @property
    def store(self) -> Store:
        return self.stores[0]

    @property
    def guide(self) -> Guide:
        return self.guides[0]


def make_world() -> World:
    """Commit a small brand; every call makes another one."""
    n = next(_numbers)
    with transaction():
        brand = Brand(code=f"brand{n}", name=f"品牌{n}")
        session.add(brand)
        session.flush()
        region = Region(brand_id=brand.id, code="east", name="华东")
        dealer = Dealer(brand_id=brand.id, code="d1", name="经销商一")
        session.add_all([region, dealer])
        session.flush()
        stores = [
            Store(brand_id=brand.id, code="S001", name="一号店", region_id=region.id, dealer_id=None),
            Store(brand_id=brand.id, code="S002", name="二号店", region_id=region.id, dealer_id=dealer.id),
        ]
        session.add_all(stores)
        session.flush()
        corp_id, appid = f"wwcorp{n:04d}", f"wxapp{n:04d}"
        guides = [
            Guide(brand_id=brand.id, store_id=store.id, corp_id=corp_id, userid=f"guide{i}", name=f"导购{i}")
            for i, store in enumerate([stores[0], stores[0], stores[1]], 1)
        ]
        session.add_all(guides)
        wecom = commands.set_account(
            brand_id=brand.id,
            kind="wecom",
            namespace=corp_id,
            open_platform="open1",
            secret="wecom-secret",
            callback_token="callback-token",
            callback_aes_key=AES_KEY,
            agent_id=1000002,
        )
        miniprogram = commands.set_account(
            brand_id=brand.id,
            kind="miniprogram",
            namespace=appid,
            open_platform="open1",
            secret="mini-secret",
            callback_token="push-token",
            callback_aes_key=AES_KEY,
        )
        till, secret = commands.create_api_client(brand_id=brand.id, name="till", store_ids=[stores[0].id])
        admin = admins.create_admin(login=f"hq{n}", password=PASSWORD, name="总部", role="hq", brand_id=brand.id)
    return World(brand, region, dealer, stores, guides, wecom, miniprogram, till, secret, admin)
