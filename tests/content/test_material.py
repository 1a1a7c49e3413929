from __future__ import annotations

import pytest
from factories import make_world

from app.content import commands, queries, rules
from app.content.errors import MaterialInvalid, MaterialUnknown, VariableUnknown
from app.core.transaction import transaction


def test_values_are_put_in_once_and_cleaned() -> None:
    text = "{name}，我是{store}的{guide}，送您{coupon}"
    values = {"name": "{guide}\u202e\x07", "guide": "小林", "store": " 一号店 "}
    assert rules.render(text, values) == "{guide}，我是一号店的小林，送您专属优惠券"
    assert rules.render("{name.__class__} {0} {unknown} {name}", {}) == "{name.__class__} {0} {unknown} 亲爱的顾客"
    assert len(rules.render("{name}", {"name": "长" * 500})) == rules.MAX_VALUE


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "poem"},
        {"kind": "text", "body": ""},
        {"kind": "image", "image_url": None},
        {"kind": "link", "link_url": "javascript:alert(1)"},
        {"kind": "text", "title": ""},
        {"kind": "text", "body": "长" * 1201},
    ],
)
def test_material_that_could_not_be_sent_is_refused(wrong: dict[str, str]) -> None:
    good = {"kind": "text", "title": "题", "body": "文", "image_url": None, "link_url": None, "page": None}
    with pytest.raises(MaterialInvalid):
        rules.check(**(good | wrong))


def test_a_store_says_it_differently(app) -> None:  # type: ignore[no-untyped-def]
    world = make_world()
    brand, store = world.brand_id, world.store.id
    with transaction():
        one = commands.save_material(
            brand_id=brand, code="new", kind="link", title="新品{store}", body="看看", link_url="https://example.com/n"
        )
        commands.override_material(brand_id=brand, material_id=one, store_id=store, body="{guide}请您看看")
    with transaction():
        here, there = queries.material(brand, one, store), queries.material(brand, one, world.stores[1].id)
        assert (here.title, here.body, there.body) == ("新品{store}", "{guide}请您看看", "看看")
        card = here.rendered({"store": "一号店", "guide": "小林"}).attachments[0]
        assert (card.kind, card.title, card.description) == ("link", "新品一号店", "小林请您看看")
        commands.override_material(brand_id=brand, material_id=one, store_id=store)
        assert queries.material(brand, one, store).body == "看看"
        with pytest.raises(VariableUnknown):
            commands.override_material(brand_id=brand, material_id=one, store_id=store, body="{phone}")
        with pytest.raises(MaterialUnknown):
            commands.override_material(brand_id=brand + 1, material_id=one, store_id=store, body="x")


def test_the_welcome_falls_back_rather_than_fails(app) -> None:  # type: ignore[no-untyped-def]
    world = make_world()
    brand = world.brand_id
    values = {"name": "阿宁", "store": "一号店", "guide": "小林"}
    with transaction():
        assert queries.welcome(brand, 12345, values=values).text == "阿宁，您好！我是一号店的小林，很高兴为您服务。"
        commands.save_material(brand_id=brand, code="welcome", kind="text", title="欢迎", body="{name}来啦")
        one = commands.save_material(brand_id=brand, code="vip", kind="text", title="欢迎", body="{name}贵宾")
        assert queries.welcome(brand, None, world.store.id, values).text == "阿宁来啦"
        assert queries.welcome(brand, one, world.store.id, values).text == "阿宁贵宾"
        commands.save_material(
            brand_id=brand, code="vip", kind="text", title="欢迎", body="{name}贵宾", status="archived"
        )
        assert queries.welcome(brand, one, None, values).text == "阿宁来啦"
        assert [row.code for row in queries.materials(brand)] == ["welcome"]
