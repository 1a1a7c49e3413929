"""Whose rows: every route that names a thing, asked for a real one by everybody it is not for. What lies outside a
caller's brand, region, dealer, store or customers answers as what does not exist.

Which routes a caller may call at all is tests/test_access.py; what stands in lists, tests/admin/test_admin_scope.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from console_world import Busy, bearer, make_admins, make_busy
from factories import World, make_world
from import_files import an_import, csv_of
from people import make_member
from sqlalchemy import select

from app import access
from app.access import Route
from app.channels.codes import commands as codes
from app.core import clock, ids, tokens
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.events import CodesDue
from app.coupons.fraud import commands as fraud
from app.coupons.fraud.models import Flag
from app.coupons.models import Coupon, Redemption
from app.coupons.rules import Terms
from app.coupons.twins import bindings
from app.coupons.twins.local import LocalChannel
from app.coupons.twins.models import TwinConflict
from app.flows import cash_desk, merge
from app.flows import push as pushes
from app.flows.cash_desk import Cashier, Order
from app.flows.sync import runs
from app.identity import commands as identity
from app.identity.models import PersonMerge
from app.identity.rules import Identity, mobile
from app.members import queries as members
from app.miniapp import auth as miniapp_auth
from app.org import commands as org
from app.org.models import ApiClient, Store
from app.pos import auth as pos_auth
from app.privacy import commands as privacy
from app.segments import commands as segments

Headers = dict[str, str]
Proof = Callable[[str, str, bytes], Headers]

# A path whose parameter names no row of anybody.
NO_ROW = {
    "admin.unblock_value": "a value that identifies nobody in any brand",
    "admin.import_template": "a file without rows",
    "console.import_template": "a file without rows",
    "admin.coupon_statements": "a month, whose lines are of the caller's stores",
    "admin.coupon_statement_table": "a month, whose lines are of the caller's stores",
    "console.coupon_statement_table": "a month, whose lines are of the caller's stores",
    "admin.coupon_bill_table": "a month, whose lines are of the caller's stores",
    "console.coupon_bill_table": "a month, whose lines are of the caller's stores",
    "admin.ask_to_close_month": "a month of the caller's brand",
    "admin.close_month": "a month of the caller's brand",
    "console.close_coupon_month": "a month of the caller's brand",
    "admin.change_coupon_fraud_rule": "a rule of the caller's brand",
    "console.change_coupon_fraud_rule": "a rule of the caller's brand",
}
# What is the brand's own and no store's or person's: only another brand's callers are outside.
OF_THE_BRAND = {
    "miniapp_coupons.claim",
    "miniapp_friends.offered",  # a link is for whoever has it
    "miniapp_friends.take",
    "admin.campaign",
    "console.one_campaign",
    "admin.campaign_lift",  # counted over members of the caller's stores
    "console.campaign_lift",
    "admin.guide_limit",  # a campaign is the brand's; whose guides are told is within the caller's stores
}
NOBODY = {"field": "joined_at", "op": "before", "value": "1990-01-01T00:00:00+08:00"}
REASON = {"reason": "核对本人要求"}
REASON_OF_DESK = {"store": "S001", "reason": "fault"}
# What the routes want to be told, else they refuse before they look.
BODIES: dict[str, dict[str, Any]] = {
    "admin.change_channel_code": {"name": "新名"},
    "admin.decide_coupon_flag": {"status": "cleared", "words": "已核实"},
    "admin.switch_campaign": {"step": "end"} | REASON,
    "admin.supply_campaign": {"more": 1},
    "admin.revise_campaign": {"kind": "amount", "amount_fen": 500, "valid_days": 7},
    "redemptions.refund": {"refund_no": "R1", "lines": [{"line_no": 1, "quantity": 1}]},
    "admin.note_guide_phone": {"phone": "13611113333"},
    "admin.bind_campaign": {"channel": "local", "store": "S001"},
    "admin.close_twin_conflict": {"note": "已核对"},
    "console.close_twin_conflict": {"note": "已核对"},
    "admin.note_consent": {"purpose": "marketing", "granted": False, "paper_no": "P-1"},
    "admin.erase_member": REASON,
    "admin.change_gift_rule": {"active": False},
    "admin.limit_guides": {"per_day": 5},
    "admin.void_codes": REASON,
    "console.void_codes": REASON,
    "admin.set_offline_quota": {"limit_fen": 500},
    "admin.move_home_store": REASON | {"store": "S002"},
    "admin.give_coupon": {"campaign": "{spare}", "reason": "care"},
    "admin.void_coupon": {"reason": "misused"},
    "admin.reveal": REASON | {"field": "phone"},
    "admin.tag_member": {"tag": "{tag_id}"},
    "admin.split_merge": REASON,
    "admin.decide_review": REASON | {"same": False},
    "admin.undo_at_desk": REASON_OF_DESK,
    "console.cancel_import": {},
    "console.switch_campaign": {"step": "pause"} | REASON,
    "console.switch_push": {"act": "stop"},
    "console.limit_guides": {"per_day": "5"},
    "console.revise_campaign": {"amount": "5", "valid_days": "7"},
    "console.supply_campaign": {"more": "1", "key": "rows-supply-1"},
    "console.decide_coupon_flag": {"status": "cleared", "words": "已核实"},
    "console.desk_undo": REASON_OF_DESK,
    "console.erase_member": REASON | {"sure": "注销"},
    "console.move_home_store": REASON | {"store": "S002"},
    "console.split_on_page": REASON,
    "console.reveal": REASON | {"field": "phone"},
    "console.tag_member": {"tag": "{tag_id}"},
    "console.give_coupon": {"campaign": "{spare}", "reason": "care", "key": "rows-give-1"},
    "console.void_coupon": {"reason": "misused"},
    "console.decide_on_page": REASON | {"same": "no"},
    "console.change_tag": {"act": "apply"},
    "console.change_user": {"act": "enable"},
    "miniapp_session.claim": {"answer": "not_mine"},
    "sidebar_api.give": {"campaign": "{spare}"},
    "sidebar_api.reveal": REASON | {"field": "phone"},
    "sidebar_api.tag_customer": {"put": ["{tag_id}"]},
    "sidebar_api.complete": {"evidence": {"kind": "note", "note": "已回访"}},
}
# After these there is less to be found: they come last, in this order.
ENDING = ("take", "decide", "split", "resume", "retire", "cancel", "void_codes", "disable", "reset", "erase")
REFUSED = (403, 404, 422, 500)


class Things:
    """One brand's things, all of its first store and of a guide there, and the callers whose things they are not."""

    def __init__(self) -> None:
        self.busy: Busy = make_busy()
        self.world: World = self.busy.world
        self.other = make_world()
        brand, member = self.world.brand_id, self.busy.member
        admins, strangers = make_admins(self.world), make_admins(self.other)
        job = an_import(self.world, "members", csv_of(["会员编号", "手机号"], [{"会员编号": "M1", "手机号": "x"}]))
        with transaction():
            code = codes.create_code(
                brand_id=brand, name="橱窗", kind="link", users=["guide1"], store_id=self.world.store.id
            ).id
            everybody = segments.save_segment(brand_id=brand, name="所有人", rule={"not": NOBODY})
            tag = segments.define_tag(brand_id=brand, name="爱跑步", kind="rule", segment_id=everybody)
            run = runs.start(brand_id=brand, kind="full", by="test").run_id
            one, two, three = (
                identity.link(ids=[Identity("card", "till", card)], source="test").person_id for card in "XYZ"
            )
            review, _ = identity.put_up(self.busy.person, one, reason="two_members", evidence={}, brand_id=brand)
            merge.merge(brand_id=brand, person_id=self.busy.person, other_id=two, source="review", by="adm_1")
            claim = identity.open_claim(
                brand_id=brand,
                claimant_id=self.busy.person,
                holder_id=three,
                number=mobile("13611112222"),
                reason="holder_known",
            )
            spare = coupons.create_campaign(
                brand_id=brand,
                code="SPARE",
                name="备用券",
                terms=Terms(kind="amount", amount_fen=100, valid_days=9, per_member=9, transferable=True),
                quota=50,
                claimable=True,
            )
            coupon, gift = (
                coupons.issue(brand_id=brand, member_id=member, campaign_id=spare, source="admin", source_ref=ref)
                for ref in ("spare", "offered")
            )
            transfer = coupons.offer_transfer(brand_id=brand, member_id=member, coupon_id=gift)
            push = pushes.start(
                brand_id=brand, campaign_id=spare, segment_id=everybody, hold_out_bp=0, created_by="adm_1"
            ).push_id
            rule = coupons.add_gift_rule(brand_id=brand, kind="welcome", campaign_id=spare, created_by="adm_1")
            batch = coupons.order_codes(
                brand_id=brand, campaign_id=spare, name="吊牌", size=3, ends_at=None, created_by="adm_1"
            ).batch_id
            coupons.make_codes(CodesDue(brand_id=brand, batch_id=batch))
            fraud.flag(
                brand_id=brand,
                rule="staff_redeems",
                subject=f"member:{member}",
                window_from=clock.now(),
                count=1,
                evidence={},
                member_id=member,
                store_id=self.world.store.id,
            )
            bindings.bind(
                brand_id=brand, campaign_id=spare, channel="local", can=LocalChannel.capabilities, own_codes=True,
                store_id=self.world.store.id, image_url="", stock=None, by="test",
            )  # fmt: skip
            conflict = TwinConflict(
                brand_id=brand, member_id=member, coupon_id=coupon, kind="used_twice", ref="1", channel="local",
                ours={}, theirs={}, found_at=clock.now(), correlation_id="cor_test",
            )  # fmt: skip
            session.add(conflict)
            beside, away = make_member(self.world, store=self.world.stores[1]), make_member(self.other)
            second, self.second_secret = org.create_api_client(
                brand_id=brand, name="second", store_ids=[self.world.stores[1].id]
            )
        with transaction():
            begun = codes.begin(code)
            assert begun
            codes.settle(begun, config_id="link-1", qr_code="https://work.weixin.qq.com/ca/1")
        merged = session.scalars(select(PersonMerge.merge_id).where(PersonMerge.loser_id == two)).one()
        self.real = {
            "code_id": ids.encode("chc", code),
            "import_id": ids.encode("imp", job.job_id),
            "member_id": ids.encode("mbr", member),
            "tag_id": ids.encode("tag", tag),
            "merge_id": ids.encode("mrg", merged),
            "person_id": ids.encode("prs", self.busy.person),
            "review_id": ids.encode("rev", review),
            "run_id": ids.encode("syn", run),
            "start": self.busy.correlation,
            "user_id": ids.encode("adm", admins["region"].id),
            "campaign": ids.encode("cmp", spare),
            "spare": ids.encode("cmp", spare),
            "coupon": ids.encode("cpn", coupon),
            "transfer_id": ids.encode("cgt", transfer),
            "token": coupons.token_of(transfer),
            "push_id": ids.encode("psh", push),
            "rule_id": ids.encode("gfr", rule),
            "batch_id": ids.encode("cdb", batch),
            "campaign_id": ids.encode("cmp", spare),
            "conflict_id": ids.encode("tcf", conflict.conflict_id),
            "claim_id": ids.encode("clm", claim),
            "redemption": ids.encode("rdm", session.scalars(select(Redemption.redemption_id)).one()),
            "slip": self._slip(admins["hq"], member, spare),
            "external_userid": "wm_customer_1",
            "task_id": ids.encode("tsk", self.busy.task),
            "flag_id": ids.encode("flg", session.scalars(select(Flag.flag_id)).one()),
            "guide_id": ids.encode("gde", self.world.guide.id),
            "store_id": ids.encode("sto", self.world.store.id),
            "month": f"{clock.now().astimezone(ZoneInfo(self.world.brand.timezone)):%Y-%m}",
        }
        self.insiders: dict[str, dict[str, Proof]] = {
            "admin": {role: self._console(admins[role]) for role in ("hq", "region", "group")},
            "sidebar": {"guide": self._guide(self.world.guides[0])},
            "miniapp": {"shopper": self._shopper(brand, self.busy.person)},
            "pos": {"till": self._till(self.world.till, self.world.till_secret)},
        }
        self.outsiders: dict[str, dict[str, Proof]] = {
            "admin": {role: self._console(admins[role]) for role in ("dealer", "store")}
            | {f"other {role}": self._console(strangers[role]) for role in ("hq", "region", "dealer", "store")},
            "sidebar": {
                "guide beside": self._guide(self.world.guides[1]),
                "guide of the second store": self._guide(self.world.guides[2]),
                "other guide": self._guide(self.other.guides[0]),
            },
            "miniapp": {
                "shopper beside": self._shopper(brand, _person(self.world, beside)),
                "other shopper": self._shopper(self.other.brand_id, _person(self.other, away)),
            },
            "pos": {
                "till of the second store": self._till(second, self.second_secret),
                "other till": self._till(self.other.till, self.other.till_secret),
            },
        }
        self.hq = ids.encode("adm", admins["hq"].id)

    def _slip(self, admin: Any, member: int, campaign: int) -> str:
        """A coupon redeemed at the first store's cash desk."""
        key = {"brand_id": self.world.brand_id, "member_id": member}
        who = Cashier(admin_id=admin.id, store=self.world.store, timezone="Asia/Shanghai")
        order = Order(order_no="DESK-1", lines=cash_desk.basket(amount_fen=5000))
        with transaction():
            coupon = coupons.issue(**key, campaign_id=campaign, source="admin", source_ref="desk")
        code = session.get_one(Coupon, (*key.values(), coupon)).code
        with transaction():
            slip = cash_desk.redeem(cashier=who, key="access-rows", codes=[code], order=order)
        return ids.encode("dsk", slip)

    def ids_for(self, audience: str) -> dict[str, str]:
        """The real ids, with a copy of the member's data that the audience's insider asked for."""
        member = {"brand_id": self.world.brand_id, "member_id": self.busy.member}
        with transaction():
            export = privacy.ask_export(
                **member, actor=self.hq if audience == "admin" else self.real["member_id"]
            ).export_id
            privacy.keep_export(**member, export_id=export, content=b"zip")
        return self.real | {"export_id": ids.encode("exp", export)}

    def _console(self, admin: Any) -> Proof:
        return lambda method, path, body: bearer(admin)

    def _guide(self, guide: Any) -> Proof:
        token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", guide.id)})
        return lambda method, path, body: {"Cookie": f"siyu_sidebar={token}"}

    def _shopper(self, brand_id: int, person_id: int) -> Proof:
        token, _ = miniapp_auth.issue(brand_id=brand_id, person_id=person_id, openid="openid-1")
        return lambda method, path, body: {"Authorization": f"Bearer {token}"}

    def _till(self, client: ApiClient, secret: str) -> Proof:
        key_id = client.key_id

        def proof(method: str, path: str, body: bytes) -> Headers:
            stamp, key = str(int(time.time())), f"rows-{hashlib.sha256(path.encode()).hexdigest()[:32]}"
            signature = pos_auth.signature(
                secret.encode(), method=method, target=path, timestamp=stamp, idempotency_key=key, body=body
            )
            told = {"X-Siyu-Key": key_id, "X-Siyu-Timestamp": stamp, "X-Siyu-Signature": signature}
            return told | {"Idempotency-Key": key}

        return proof


def _person(world: World, member_id: int) -> int:
    found = members.member(world.brand_id, member_id)
    assert found is not None
    return found.person_id


def _missing(real: dict[str, str]) -> dict[str, str]:
    """Ids of the same kinds that nobody has."""
    return {
        name: ids.encode(value.split("_")[0], ids.new_id()) if re.fullmatch(r"[a-z]{3}_\w+", value) else "no-such"
        for name, value in real.items()
    } | {"start": "cor_no_such", "external_userid": "wm_nobody", "step": "pause"}


def _ask(app: Any, route: Route, proof: Proof, names: dict[str, str], real: dict[str, str]) -> Any:
    """Ask a route for the things `names` says; what the body names is real."""
    path = re.sub(r"<(?:[^:>]+:)?(\w+)>", lambda found: names[found[1]], route.path)
    wanted = json.loads(re.sub(r"\{(\w+)\}", lambda found: real[found[1]], json.dumps(BODIES.get(route.endpoint, {}))))
    body = b"" if route.page or route.method == "GET" else json.dumps(wanted).encode()
    how: dict[str, Any] = {"data": wanted} if route.page else {"data": body, "content_type": "application/json"}
    headers = {"Idempotency-Key": f"rows-{ids.new_id()}"} | proof(route.method, path, body)
    how = {} if route.method == "GET" else how
    return app.test_client(use_cookies=False).open(path, method=route.method, headers=headers, **how)


def _told(answer: Any) -> tuple[int, Any]:
    """What an answer tells apart from the request's own id."""
    return answer.status_code, {**answer.json, "request_id": ""} if answer.is_json else None


def _routes(app: Any, audience: str) -> list[Route]:
    found = [one for one in access.routes(app) if one.audience == audience and "<" in one.path and not one.open]
    return sorted((one for one in found if one.endpoint not in NO_ROW), key=_place)


def _place(route: Route) -> int:
    return next((place for place, word in enumerate(ENDING, 1) if word in route.endpoint), 0)


@pytest.mark.parametrize("audience", ["admin", "sidebar", "miniapp", "pos"])
def test_what_is_somebody_elses_answers_as_what_is_not_there(app: Any, audience: str) -> None:
    things = Things()
    real = things.ids_for(audience)
    missing = _missing(real)
    wrong = []
    asked = 0
    for route in _routes(app, audience):
        for who, proof in things.outsiders[audience].items():
            if route.endpoint in OF_THE_BRAND and not who.startswith("other "):
                continue
            told, nothing = (_told(_ask(app, route, proof, names, real)) for names in (real, missing))
            asked += 1
            if told != nothing or told[0] not in (403, 404):
                wrong.append((route.method, route.path, who, told, nothing))
    assert wrong == [], wrong
    assert asked >= len(things.outsiders[audience])
    for route in _routes(app, audience):  # the ids are real: somebody whose they are finds each
        answers = [_ask(app, route, proof, real, real) for proof in things.insiders[audience].values()]
        if all(answer.status_code in REFUSED for answer in answers):
            wrong.append((route.method, route.path, [answer.text[:300] for answer in answers]))
    assert wrong == [], wrong


def test_a_dealer_loses_every_row_of_a_store_the_moment_it_moves(app: Any) -> None:
    things = Things()
    dealer = things.outsiders["admin"]["dealer"]
    real = things.real | {"member_id": ids.encode("mbr", things.busy.other)}  # of the dealer's store
    routes = [one for one in _routes(app, "admin") if "dealer" in one.callers and "<member_id>" in one.path]
    before = [_ask(app, route, dealer, real, real).status_code for route in routes]
    assert len(routes) > 8 and all(status < 400 for status in before), list(zip(routes, before, strict=True))
    with transaction():
        session.get_one(Store, things.world.stores[1].id).dealer_id = None
    for route in routes:
        told, nothing = (_told(_ask(app, route, dealer, names, real)) for names in (real, _missing(real)))
        assert told == nothing and told[0] == 404, route
