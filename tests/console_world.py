"""A brand on a busy day, for tests of dashboards, console and trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from factories import World, make_world

from app.admin import auth
from app.channels import commands as channels
from app.channels.events import CustomerAdded
from app.content import commands as content
from app.core import clock, context, tokens
from app.core.db import session
from app.core.outbox import emit
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon
from app.coupons.rules import Line, Terms
from app.flows.order_paid import order_paid
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.org.models import AdminUser
from app.points.models import EarnRule
from app.sales.rules import LineData, OrderData
from app.sop import commands as sop
from app.sop.rules import Step
from app.tiers.models import Tier

PHONE = "13987654321"


class Pages:
    """What a console user's browser asks of the pages under `root`, forms with token and a fresh key."""

    def __init__(self, client: Any, admin: AdminUser, root: str = "/console/") -> None:
        token, _ = auth.token_of(admin)
        self.client, self.token, self.root = client, token, root
        self.csrf = auth._csrf_of(tokens.read("admin", token))
        self.keys = 0

    def get(self, path: str) -> Any:
        self.client.set_cookie("siyu_admin", self.token)
        return self.client.get(f"{self.root}{path}")

    def post(self, path: str, **form: Any) -> Any:
        self.client.set_cookie("siyu_admin", self.token)
        self.keys += 1
        data = {"csrf_token": self.csrf, "key": f"pages-key-{self.keys}"} | form
        return self.client.post(f"{self.root}{path}", data=data)


@dataclass
class Busy:
    """`member` shops in the first store and walked the whole story, `other` belongs to the second (a dealer's)."""

    world: World
    member: int
    person: int
    other: int
    campaign: int
    sop: int
    task: int
    correlation: str


def make_busy() -> Busy:
    """Commit a brand and one customer's story: added, bound, task done, coupon redeemed, order paid."""
    world = make_world()
    brand, store, guide = world.brand_id, world.store, world.guide
    now = clock.now()
    with _as("cor_setup"), transaction():
        session.add(EarnRule(brand_id=brand, points_per_yuan=1, growth_per_yuan=1, points_months=12))
        session.add(Tier(brand_id=brand, tier_id=1, code="v0", name="普卡", rank=0, growth_from=0))
        session.add(Tier(brand_id=brand, tier_id=2, code="v1", name="银卡", rank=1, growth_from=100))
        campaign = coupons.create_campaign(
            brand_id=brand,
            code="SPRING",
            name="春日满减",
            terms=Terms(kind="threshold", amount_fen=2000, threshold_fen=10000, valid_days=30),
            quota=100,
        )
        material = content.save_material(brand_id=brand, code="hello", kind="text", title="你好", body="欢迎")
        material_id = getattr(material, "material_id", material)
        sop_id = sop.save(
            brand_id=brand,
            code="welcome",
            name="新客欢迎",
            trigger={"event": "members.bound"},
            steps=[Step(title="发送欢迎礼", material_id=material_id, campaign_id=campaign)],
        )
    with _as("cor_added") as correlation, transaction():
        linked = identity.link(
            ids=[Identity("external_userid", world.wecom.namespace, "wm_customer_1")], source="wecom", evidence={}
        )
        channels.record_follow(
            corp_id=world.wecom.namespace,
            userid=guide.userid,
            external_userid="wm_customer_1",
            brand_id=brand,
            guide_id=guide.id,
            person_id=linked.person_id,
            at=now,
        )
        emit(
            CustomerAdded(
                brand_id=brand,
                person_id=linked.person_id,
                corp_id=world.wecom.namespace,
                userid=guide.userid,
                external_userid="wm_customer_1",
                at=int(now.timestamp()),
                welcome_code="WELCOMECODE",
                guide_id=guide.id,
                store_id=store.id,
            )
        )
    person = linked.person_id
    with _as("cor_bound"), transaction():
        identity.link(
            ids=[Identity("external_userid", world.wecom.namespace, "wm_customer_1"), Identity("mobile", "", PHONE)],
            source="miniapp",
            evidence={},
        )
        member = members.join(
            brand_id=brand, person_id=person, source="miniapp", store_id=store.id, name="王小明", phone_tail=PHONE[-4:]
        )
        members.assign_guide(brand_id=brand, member_id=member, guide_id=guide.id, store_id=store.id, reason="added")
        members.bind(brand_id=brand, member_id=member, phone_tail=PHONE[-4:])
        (task,) = sop.start(
            brand_id=brand, member_id=member, trigger="members.bound", at=now, guide_id=guide.id, store_id=store.id
        )
    with _as("cor_task"), transaction():
        sop.complete(
            brand_id=brand,
            task_id=task,
            guide_id=guide.id,
            evidence={"kind": "sidebar_send", "msgtype": "text", "external_userid": "wm_customer_1"},
        )
        coupon = coupons.issue(
            brand_id=brand, member_id=member, campaign_id=campaign, source="sop", source_ref=f"task:{task}"
        )
    with _as("cor_till"):
        coupons.redeem(
            till=coupons.Till(brand, store.id, None, None, "till", "till", world.till.id),
            key=coupons.Key("test", "redeem-1-key", b"digest"),
            code=session.get_one(Coupon, (brand, member, coupon)).code,
            order_no="A001",
            lines=[Line(1, "SKU1", "shoes", 1, 30000)],
        )
        session.rollback()
        with transaction():
            _pay(world, member, "A001", store.id, guide.id, 28000)
    with _as("cor_second"), transaction():
        second = identity.link(ids=[Identity("mobile", "", "13600000001")], source="till", evidence={})
        other = members.join(
            brand_id=brand, person_id=second.person_id, source="till", store_id=world.stores[1].id, name="李四"
        )
        _pay(world, other, "B001", world.stores[1].id, None, 5000)
        _pay(world, None, "B002", world.stores[1].id, None, 1000)
    return Busy(world, member, person, other, campaign, sop_id, task, correlation)


def make_admins(world: World) -> dict[str, AdminUser]:
    """A console user of every role, all with the password of `world.admin`.

    The region holds both stores, dealer and store the second one; `group` is of no single brand.
    """
    where: dict[str, dict[str, int]] = {
        "hq": {"brand_id": world.brand_id},
        "region": {"brand_id": world.brand_id, "region_id": world.region.id},
        "dealer": {"brand_id": world.brand_id, "dealer_id": world.dealer.id},
        "store": {"brand_id": world.brand_id, "store_id": world.stores[1].id},
        "group": {},
    }
    users = {
        role: AdminUser(
            login=f"{role}-{world.brand.code}",
            name=role,
            role="hq" if role == "group" else role,
            password_hash=world.admin.password_hash,  # hashing is slow by design
            **place,
        )
        for role, place in where.items()
    }
    with transaction():
        session.add_all(users.values())
    return users


def bearer(admin: AdminUser) -> dict[str, str]:
    """Headers of a signed-in user, without the slow look at a password."""
    token, _ = auth.token_of(admin)
    return {"Authorization": f"Bearer {token}"}


class Desk:
    """A console user who calls the admin API."""

    def __init__(self, client: Any, admin: AdminUser) -> None:
        self.client, self.headers = client, bearer(admin)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self.client.open(f"/api/admin/v1/{path}", method=method, json=body, headers=headers)


@contextmanager
def _as(correlation: str) -> Iterator[str]:
    with context.correlated(correlation):
        yield correlation


def _pay(world: World, member: int | None, order_no: str, store_id: int, guide_id: int | None, fen: int) -> None:
    line = LineData(line_no=1, sku="SKU1", name="运动鞋", category="shoes", quantity=1, unit_fen=fen, amount_fen=fen)
    order_paid(
        brand_id=world.brand_id,
        member_id=member,
        order=OrderData(
            source="till",
            order_no=order_no,
            store_id=store_id,
            guide_id=guide_id,
            paid_at=clock.now() - timedelta(seconds=1),
            lines=(line,),
        ),
    )
