"""The sidebar beside a chat in the simulator's WeCom client: the guide's whole round, in a real browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from factories import World, make_world
from people import make_follow, make_member
from playwright.sync_api import Frame, Page
from serving import serving
from tagging import tagged

from app.content import commands as content
from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons import queries as wallet
from app.coupons.rules import Terms
from app.flows import accounts
from app.members import commands as members
from app.members import queries as member_queries
from app.points import commands as points
from app.sales.models import SalesOrder
from app.settings import Settings
from app.sop import commands as sop
from app.sop.rules import Step
from app.tiers import commands as tiers
from app.tiers.models import Tier, TierPolicy
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.server import create_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@dataclass
class Shop:
    """A brand, the simulator's WeCom with its staff, and one customer of the first guide who is a member."""

    world: World
    engine: Engine
    simulator: str
    external: str
    member_id: int


@pytest.fixture
def shop(app, address: str, redis, run_work: Callable[[], int]) -> Iterator[Shop]:  # type: ignore[no-untyped-def]
    world, engine = make_world(), Engine()
    directory = engine.directory
    corp = world.wecom.namespace
    directory.put_corp({"corp_id": corp, "apps": [{"agent_id": world.wecom.agent_id, "secret": "wecom-secret"}]})
    for guide in world.guides:
        directory.put_staff({"corp_id": corp, "userid": guide.userid, "name": guide.name})
    customer = directory.put_customer({"id": "ning", "name": "阿宁"})
    engine.contacts.add(corp, world.guide.userid, [customer])
    external = customer.external_userids[corp]

    with serving(create_app(engine, product_url=address)) as simulator:
        before: Settings = app.extensions["siyu"]
        settings = dataclasses.replace(
            before,
            public_url=address,
            wecom_api_base=simulator,
            wechat_api_base=simulator,
            oauth_base=simulator,
            jssdk_url=f"{simulator}/jssdk/ww.js",
        )
        app.extensions["siyu"] = settings
        accounts.configure(settings, redis)
        member_id = _furnish(world, external)
        run_work()
        yield Shop(world, engine, simulator, external, member_id)
        app.extensions["siyu"] = before
        accounts.configure(before, redis)


def _furnish(world: World, external: str) -> int:
    """Material, campaigns, a SOP, a tier ladder, and a member with orders and growth."""
    brand = world.brand_id
    with transaction():
        for rank, (code, name, growth) in enumerate(
            (("silver", "银卡", 0), ("gold", "金卡", 1000), ("black", "黑金", 5000))
        ):
            session.add(Tier(brand_id=brand, tier_id=ids.new_id(), code=code, name=name, rank=rank, growth_from=growth))
        session.add(TierPolicy(brand_id=brand, window_days=365, protection_days=90))
        session.flush()
        text = "{name}您好，感谢您成为会员！{coupon}已为您准备好，到店出示即可使用。期待在{store}见到您～"
        gift = content.save_material(brand_id=brand, code="gift", kind="text", title="新人礼话术", body=text)
        for code, title, body in (
            ("new", "秋冬新品到店", "本周新到羊绒系列，手感轻软，给您留了常穿的尺码。"),
            ("care", "羊绒养护小贴士", "手洗更好，平铺晾干，收纳前放一颗樟木球。"),
        ):
            content.save_material(
                brand_id=brand, code=code, kind="link", title=title, body=body, link_url="https://example.com/" + code
            )
        threshold = Terms(kind="threshold", amount_fen=5000, threshold_fen=30000, valid_days=15)
        campaigns = [
            coupons.create_campaign(brand_id=brand, code=code, name=name, terms=terms, quota=500, claimable=claimable)
            for code, name, terms, claimable in (
                ("sop", "新人见面礼", Terms(kind="amount", amount_fen=3000, valid_days=30), False),
                ("s300", "秋冬满减券", threshold, True),
                ("p88", "羊绒专享券", Terms(kind="percent", percent_bp=1200, cap_fen=20000, valid_days=7), True),
            )
        ]
        sop.save(
            brand_id=brand,
            code="bound",
            name="新会员关怀",
            trigger={"event": "members.bound"},
            steps=[
                Step(title="送上新人见面礼", material_id=gift, campaign_id=campaigns[0]),
                Step(title="电话回访试穿感受", action="call", deadline_hours=48),
            ],
        )
        member = make_member(world, guide=world.guide, phone="13912345670", name="王小美")
        found = member_queries.member(brand, member)
        assert found is not None
        make_follow(world, world.guide, external_userid=external, person_id=found.person_id, name="阿宁")
        tagged(brand, member, "羊绒爱好者", "L码", "周末到店")
        members.bind(brand_id=brand, member_id=member, phone_tail="5670")
        for number, fen in enumerate((129_900, 45_800), 1):
            order = ids.new_id()
            session.add(
                SalesOrder(
                    brand_id=brand,
                    member_id=member,
                    order_id=order,
                    source="till",
                    order_no=f"S001-{number}",
                    store_id=world.store.id,
                    guide_id=world.guide.id,
                    channel="till",
                    walk_in=False,
                    total_fen=fen,
                    discount_fen=0,
                    paid_fen=fen,
                    status="paid",
                    paid_at=clock.now(),
                    correlation_id="cor_test",
                    created_at=clock.now(),
                )
            )
        for currency in ("points", "growth"):
            points.earn(
                brand_id=brand, member_id=member, currency=currency, amount=1757, cause="order:1", at=clock.now()
            )
        tiers.place(brand_id=brand, member_id=member, at=clock.now())
    return member


def _sidebar(page: Page) -> Frame:
    handle = page.wait_for_selector("#sidebar")
    frame = handle.content_frame()
    assert frame is not None
    frame.wait_for_selector(".hero", timeout=20_000)
    return frame


def test_the_whole_round_beside_a_chat(
    shop: Shop, page: Page, shot: Callable[[Page, str], Any], run_work: Callable[[], int]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{shop.simulator}/client/wecom?staff={shop.world.guide.userid}")
    frame = _sidebar(page)
    hero = frame.locator(".hero").inner_text()
    assert "阿宁" in hero and "金卡" in hero and "139****5670" in hero and "1,757" in hero
    frame.wait_for_selector("text=羊绒爱好者")
    shot(page, "sidebar-in-wecom", full_page=False)
    frame.click(".hero .see")
    frame.wait_for_selector(".hero:has-text('13912345670')")

    frame.click("text=送上新人见面礼")
    frame.wait_for_selector("text=阿宁您好，感谢您成为会员")
    frame.click("button:has-text('发送给客户')")
    frame.wait_for_selector("text=任务已完成，优惠券随后到账")
    assert [row.content["text"]["content"][:4] for row in shop.engine.world.sent if row.kind == "chat"] == ["阿宁您好"]
    run_work()
    with transaction():
        assert [card.source for card in wallet.wallet(shop.world.brand_id, shop.member_id)] == ["sop"]

    frame.click("[data-tab=customer]")
    frame.wait_for_selector("[data-figure=coupons]:text-is('1')")
    frame.click("text=电话回访试穿感受")
    frame.click("button:has-text('完成任务')")
    frame.fill("textarea", "已电话联系，周六到店")
    frame.click("button:has-text('提交')")
    frame.wait_for_selector("h3:has-text('任务已完成')")

    frame.click("[data-tab=coupons]")
    frame.locator(".voucher", has_text="秋冬满减券").locator("button").click()
    frame.click(".weui-dialog__btn_primary")
    frame.wait_for_selector("text=已发放到客户的卡包")
    frame.wait_for_selector(".voucher_off:has-text('已领满')")

    frame.click("[data-tab=performance]")
    frame.wait_for_selector(".tile_sales")
    tiles = frame.locator(".tiles").inner_text()
    assert "¥1,757" in tiles and "2 笔订单" in tiles


def _two_coupons(shop: Shop) -> None:
    """One that is good in the guide's store, and one of a campaign that is paused."""
    brand = {"brand_id": shop.world.brand_id}
    with transaction():
        for name, terms in (
            (
                "一号店专享券",
                Terms(kind="amount", amount_fen=3000, store_ids=frozenset({shop.world.store.id}), valid_days=2),
            ),
            ("换季满减券", Terms(kind="threshold", amount_fen=2000, threshold_fen=20000, valid_days=8)),
        ):
            one = coupons.create_campaign(**brand, code=name, name=name, terms=terms, quota=9)
            coupons.issue(**brand, member_id=shop.member_id, campaign_id=one, source="push", source_ref=name)
        coupons.set_status(**brand, campaign_id=one, status="paused")


def test_every_tab_at_the_width_of_the_sidebar(
    shop: Shop, page: Page, address: str, shot: Callable[[Page, str], Any]
) -> None:
    """The page by itself, as on a phone outside a chat, and beside a chat by its frame."""
    _two_coupons(shop)
    page.set_viewport_size({"width": 375, "height": 780})
    page.goto(f"{shop.simulator}/client/wecom?staff={shop.world.guide.userid}&contact={shop.external}")
    page.add_style_tag(
        content="#sidebar { position: fixed; inset: 0; width: 375px; height: 780px; z-index: 99; border: 0; }"
    )
    frame = _sidebar(page)
    frame.wait_for_selector("text=互动轨迹")
    shot(page, "sidebar-customer", full_page=False)
    assert frame.locator(".ticket").all_inner_texts() == [
        "满¥200减¥20\n换季满减券\n不可与其他券同用 · 还剩7天\n活动已暂停，恢复后可用",
        "立减¥30\n一号店专享券\n仅限一号店使用 · 不可与其他券同用 · 明天到期",
    ]
    frame.evaluate("window.scrollTo(0, 420)")
    shot(page, "sidebar-customer-more", full_page=False)
    for tab, ready in (
        ("tasks", "[data-task-row]"),
        ("materials", ".material"),
        ("coupons", ".voucher"),
        ("performance", ".tile_sales"),
    ):
        frame.click(f"[data-tab={tab}]")
        frame.wait_for_selector(ready)
        page.wait_for_timeout(300)
        shot(page, f"sidebar-{tab}")
        width = frame.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{tab} is {width} px wide"
    frame.click("[data-tab=coupons]")
    frame.locator(".voucher button").first.click()
    frame.wait_for_selector(".weui-dialog")
    shot(page, "sidebar-confirm", full_page=False)
    frame.click(".weui-dialog__btn_default")
    frame.click("[data-tab=tasks]")
    frame.click("[data-task-row] >> nth=0")
    frame.wait_for_selector(".speech")
    shot(page, "sidebar-task", full_page=False)
    frame.click("button:has-text('发送给客户')")
    frame.wait_for_selector("h3:has-text('任务已完成')")
    shot(page, "sidebar-task-done", full_page=False)


def test_outside_a_chat_the_page_still_serves(
    shop: Shop, page: Page, address: str, shot: Callable[[Page, str], Any]
) -> None:
    manager = shop.world.guides[1]
    with transaction():
        manager.role = "store_manager"
        session.merge(manager)
    page.set_viewport_size({"width": 375, "height": 780})
    page.goto(f"{shop.simulator}/client/wecom?staff={manager.userid}")  # sets who holds this phone
    page.goto(f"{address}/sidebar/")
    page.wait_for_url("**/sidebar/home**")
    page.wait_for_selector("text=任务都完成了")
    shot(page, "sidebar-no-tasks", full_page=False)
    page.click("button:has-text('全店任务')")
    page.wait_for_selector("[data-task-row]:has-text('导购1')")
    shot(page, "sidebar-store-tasks", full_page=False)
    page.click("[data-tab=customer]")
    page.wait_for_selector("text=还没有选中客户")
    shot(page, "sidebar-no-customer", full_page=False)
    page.evaluate("() => { window.online = window.fetch; window.fetch = () => Promise.reject(new TypeError()) }")
    page.click("[data-tab=materials]")
    page.wait_for_selector("text=网络不通")
    shot(page, "sidebar-offline", full_page=False)
    page.evaluate("() => { window.fetch = window.online }")
    page.click("button:has-text('重试')")
    page.wait_for_selector(".material")


def test_in_an_ordinary_browser_tencents_own_sdk_does_no_harm(app, shop: Shop, page: Page, address: str) -> None:  # type: ignore[no-untyped-def]
    """Without the stand-in the page loads @wecom/jssdk, which finds no WeCom: the page shows the guide's tasks."""
    app.extensions["siyu"] = dataclasses.replace(app.extensions["siyu"], jssdk_url="")
    page.goto(f"{address}/sidebar/")
    page.select_option("select[name=staff]", shop.world.guide.userid)
    page.click("button[type=submit]")
    page.wait_for_selector("[data-task-row]", timeout=20_000)
    assert page.evaluate("() => typeof window.ww.register") == "function"
