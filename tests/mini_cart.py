"""A shopper of the mini-program with a cart, for tests."""

from __future__ import annotations

from typing import Any

from coupon_factories import coupon
from factories import World

from app.core import ids
from app.core.transaction import transaction
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.miniapp import auth

API = "/api/miniapp/v1"


class Shopper:
    def __init__(self, client: Any, world: World) -> None:
        self.client, self.world = client, world
        with transaction():
            self.person = identity.link(
                ids=[Identity("openid", world.miniprogram.namespace, "openid-1")], source="miniapp", evidence={}
            ).person_id
            self.member_id = members.join(brand_id=world.brand_id, person_id=self.person, source="miniapp")

    @property
    def headers(self) -> dict[str, str]:
        token, _ = auth.issue(brand_id=self.world.brand_id, person_id=self.person, openid="openid-1")
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        return self.client.get(f"{API}/{path}", headers=self.headers)

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"{API}/{path}", json=body, headers=self.headers)

    def usable(self, *amounts: int, **more: Any) -> Any:
        lines = [
            {"line_no": number, "sku": f"SKU-{number}", "quantity": 1, "amount_fen": fen}
            for number, fen in enumerate(amounts, 1)
        ]
        return self.post("coupons/usable", {"lines": lines} | more)

    def coupon(self, **values: Any) -> str:
        return ids.encode("cpn", coupon(self.world, member_id=self.member_id, **values).coupon_id)
