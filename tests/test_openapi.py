"""The OpenAPI document is whole, and nothing that it allows makes any audience answer 500.

Schemathesis makes the requests: a bounded number for each operation, valid and spoilt, with each audience's own proof
of identity, against a brand where things happened.
"""

from __future__ import annotations

import time

import pytest
import schemathesis
from console_world import PHONE, Busy, bearer, make_busy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from import_files import an_import, csv_of
from schemathesis.generation import GenerationMode
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from app.channels.codes import commands as codes
from app.core import clock, ids, tokens
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.events import CodesDue
from app.coupons.fraud import commands as fraud
from app.coupons.fraud.models import Flag
from app.coupons.rules import Terms
from app.flows import push as pushes
from app.flows.sync import runs
from app.flows.sync.models import SyncDrift
from app.identity import commands as identity
from app.identity.rules import Identity
from app.miniapp import auth as miniapp_auth
from app.pos import auth as pos_auth
from app.privacy import commands as privacy
from app.segments import commands as segments

EXAMPLES = 8
AUDIENCES = ("admin", "miniapp", "sidebar", "pos")
METHODS = ("get", "post", "put", "patch", "delete")
# Operations after which other operations find nothing to answer with: they come last.
ENDING = ("/transfers", "/retire", "/cancel")


def _operations(document) -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_every_operation_is_described(client) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    known = set(document["components"]["securitySchemes"])
    for path, method, operation in _operations(document):
        where = f"{method.upper()} {path}"
        assert operation.get("summary"), f"{where} has no summary"
        assert any(status.startswith("2") for status in operation["responses"]), where
        assert {name for one in operation.get("security", []) for name in one} <= known, where
        if not path.endswith(("/login", "/login/second-factor")):
            assert operation.get("security"), f"{where} does not say who may call it"
            assert "401" in operation["responses"], where
    assert {path.split("/")[2] for path, _, _ in _operations(document)} == set(AUDIENCES)


def test_the_browsable_page_is_there(client) -> None:
    assert client.get("/docs").status_code == 200


def test_every_operation_but_login_refuses_strangers(client) -> None:
    for path, method, _ in _operations(client.get("/openapi.json").json):
        if path.endswith("/login"):
            continue
        answer = client.open(path.replace("{", "").replace("}", ""), method=method.upper(), json={})
        assert answer.status_code in (401, 422), (method, path, answer.text)
        assert set(answer.json) == {"code", "message", "data", "request_id"}


def _identity(busy: Busy, audience: str, request: Request) -> dict[str, str]:
    """What proves the caller of a request: shopper, guide, manager and till of the busy brand."""
    world = busy.world
    if audience == "admin":
        return bearer(world.admin)
    if audience == "miniapp":
        token, _ = miniapp_auth.issue(brand_id=world.brand_id, person_id=busy.person, openid="openid-1")
        return {"Authorization": f"Bearer {token}"}
    if audience == "sidebar":
        token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", world.guide.id)})
        return {"Cookie": f"siyu_sidebar={token}"}
    query = request.query_string.decode("latin-1")
    stamp = str(int(time.time()))
    return {
        "X-Siyu-Key": world.till.key_id,
        "X-Siyu-Timestamp": stamp,
        "X-Siyu-Signature": pos_auth.signature(
            world.till_secret.encode(),
            method=request.method,
            target=request.path + (f"?{query}" if query else ""),
            timestamp=stamp,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            body=request.get_data(),
        ),
    }


def _spare_coupon(busy: Busy, code: str = "SPARE") -> int:
    """A coupon that is still good."""
    with transaction():
        campaign = coupons.create_campaign(
            brand_id=busy.world.brand_id,
            code=code,
            name="备用券",
            terms=Terms(kind="amount", amount_fen=100, valid_days=9, per_member=9, transferable=True),
            quota=50,
        )
        return coupons.issue(
            brand_id=busy.world.brand_id,
            member_id=busy.member,
            campaign_id=campaign,
            source="admin",
            source_ref=f"spare:{code}",
        )


def _open_review(busy: Busy) -> int:
    """A case about the member and somebody else."""
    with transaction():
        other = identity.link(ids=[Identity("card", "till", "X1")], source="test").person_id
        return identity.put_up(busy.person, other, reason="two_members", evidence={}, brand_id=busy.world.brand_id)[0]


def _copy(busy: Busy, audience: str) -> int:
    """A copy of the member's data that the caller asked for."""
    key = {"brand_id": busy.world.brand_id, "member_id": busy.member}
    actor = ids.encode("adm", busy.world.admin.id) if audience == "admin" else ids.encode("mbr", busy.member)
    with transaction():
        export_id = privacy.ask_export(**key, actor=actor).export_id
        privacy.keep_export(**key, export_id=export_id, content=b"zip")
    return export_id


def _live_code(busy: Busy) -> int:
    """A link that WeCom has made, so that it has a picture."""
    with transaction():
        code_id = codes.create_code(
            brand_id=busy.world.brand_id, name="橱窗", kind="link", users=[busy.world.guide.userid]
        ).id
    with transaction():
        begun = codes.begin(code_id)
        assert begun
        codes.settle(begun, config_id="link-1", qr_code="https://work.weixin.qq.com/ca/1")
    return code_id


def _import_with_errors(busy: Busy) -> int:
    """A file with one good row and one that was refused."""
    rows = [{"会员编号": "M1", "手机号": "13911110001"}, {"会员编号": "M2", "手机号": "nothing"}]
    job = an_import(busy.world, "members", csv_of(["会员编号", "手机号"], rows))
    assert (job.created, job.refused) == (1, 1)
    return job.job_id


def _run_with_drift(busy: Busy) -> int:
    """A reconciliation that found a difference and is over, so that another one may begin."""
    with transaction():
        run_id = runs.start(brand_id=busy.world.brand_id, kind="full", by="test").run_id
        session.add(
            SyncDrift(
                run_id=run_id,
                brand_id=busy.world.brand_id,
                kind="tags",
                change="changed",
                subject="tag-1",
                ours={"order": 1},
                theirs={"order": 2},
                read_at=clock.now(),
            )
        )
        runs.cancel(brand_id=busy.world.brand_id, run_id=run_id, by="test")
    return run_id


def _ways_of_issue(busy: Busy) -> dict[str, str]:
    """A push that runs, a rule, a batch of codes that is made, and a coupon on its way to a friend."""
    brand, campaign = busy.world.brand_id, busy.campaign
    with transaction():
        nobody = {"field": "joined_at", "op": "before", "value": "1990-01-01T00:00:00+08:00"}
        segment = segments.save_segment(brand_id=brand, name="无人", rule=nobody)
        push = pushes.start(
            brand_id=brand, campaign_id=campaign, segment_id=segment, hold_out_bp=0, created_by="adm_1"
        )
        rule = coupons.add_gift_rule(brand_id=brand, kind="welcome", campaign_id=campaign, created_by="adm_1")
        batch = coupons.order_codes(
            brand_id=brand, campaign_id=campaign, name="吊牌", size=3, ends_at=None, created_by="adm_1"
        )
        coupons.make_codes(CodesDue(brand_id=brand, batch_id=batch.batch_id))
    given = _spare_coupon(busy, "GIVEN")
    with transaction():
        transfer = coupons.offer_transfer(brand_id=brand, member_id=busy.member, coupon_id=given)
    return {
        "segment": ids.encode("seg", segment),
        "push_id": ids.encode("psh", push.push_id),
        "rule_id": ids.encode("gfr", rule),
        "batch_id": ids.encode("cdb", batch.batch_id),
        "transfer_id": ids.encode("cgt", transfer),
        "token": coupons.token_of(transfer),
    }
def _flag(busy: Busy) -> int:
    """Something to look into, in the member's store."""
    brand_id = busy.world.brand_id
    with transaction():
        fraud.flag(
            brand_id=brand_id,
            rule="staff_redeems",
            subject=f"member:{busy.member}",
            window_from=clock.now(),
            count=1,
            evidence={},
            member_id=busy.member,
            store_id=busy.world.store.id,
        )
        return session.query(Flag.flag_id).one()[0]


def _true_ids(busy: Busy, coupon: int, audience: str) -> dict[str, str]:
    """Ids of things that are there, by the parameter that names them."""
    return {
        "code_id": ids.encode("chc", _live_code(busy)),
        "flag_id": ids.encode("flg", _flag(busy)),
        "guide_id": ids.encode("gde", busy.world.guide.id),
        "store_id": ids.encode("sto", busy.world.store.id),
        "month": f"{clock.now():%Y-%m}",
        "guide": ids.encode("gde", busy.world.guide.id),
        "import_id": ids.encode("imp", _import_with_errors(busy)),
        "run_id": ids.encode("syn", _run_with_drift(busy)),
        "export_id": ids.encode("exp", _copy(busy, audience)),
        "coupon": ids.encode("cpn", coupon),
        **_ways_of_issue(busy),
        "member_id": ids.encode("mbr", busy.member),
        "person_id": ids.encode("prs", busy.person),
        "review_id": ids.encode("rev", _open_review(busy)),
        "start": busy.correlation,
        "campaign": ids.encode("cmp", busy.campaign),
        "campaign_id": ids.encode("cmp", busy.campaign),
        "task_id": ids.encode("tsk", busy.task),
        "external_userid": "wm_customer_1",
        "store": busy.world.store.code,
        "phone": PHONE,
    }


def _send(app, case, busy: Busy, audience: str, real: dict[str, str]):
    """Send a generated request, signed; `real` says by what the ids it names are replaced."""
    if real and "kind" in (case.path_parameters or {}):
        case.path_parameters["kind"] = "members"  # of a file to import; elsewhere a kind is one of another list
    for container in (case.path_parameters, case.query, case.body):
        if isinstance(container, dict):
            container |= {name: value for name, value in real.items() if name in container}
    if isinstance(case.query, dict) and (named := {name: case.query[name] for name in case.query if name in real}):
        case.query = named  # a member is looked up by one thing alone
    given = case.as_transport_kwargs()
    headers = {str(name): str(value) for name, value in (given.pop("headers", None) or {}).items()}
    headers["Idempotency-Key"] = f"schemathesis-{ids.new_id()}"
    builder = EnvironBuilder(**given, headers=headers)
    proof = _identity(busy, audience, builder.get_request())
    return app.test_client(use_cookies=False).open(EnvironBuilder(**given, headers={**headers, **proof}))


@pytest.mark.slow
@pytest.mark.parametrize("audience", AUDIENCES)
def test_nothing_that_is_allowed_answers_500(app, audience) -> None:
    busy = make_busy()
    real = _true_ids(busy, _spare_coupon(busy), audience)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app).include(path_regex=f"^/api/{audience}/")
    answers: dict[str, set[int]] = {}
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.path.endswith(ENDING)):
        if operation.path.endswith(("/login", "/logout", "/phone", "/jssdk", "/erasure")):
            continue  # they end the session or the member, or speak to Tencent, and have tests of their own
        _check(app, operation, busy, audience, real, answers.setdefault(operation.label, set()))
    assert answers
    assert [label for label, statuses in answers.items() if min(statuses) >= 300 and label.startswith("GET")] == []


def _check(app, operation, busy: Busy, audience: str, real: dict[str, str], seen: set[int]) -> None:
    """Send a bounded number of requests of one operation, as the document allows them and spoilt."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
        def check(case, there) -> None:
            answer = _send(app, case, busy, audience, real if there else {})
            seen.add(answer.status_code)
            assert answer.status_code < 500, (operation.label, case.as_curl_command(), answer.text[:500])
            if answer.status_code >= 400 and answer.is_json:
                assert set(answer.json) == {"code", "message", "data", "request_id"}, answer.text[:500]

        try:
            check()
        except Unsatisfiable:
            pass  # an operation without anything to spoil
