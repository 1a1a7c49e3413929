"""APIv3: known answers made by other code, hostile notices, and what a call to WeChat Pay may end in."""

from __future__ import annotations

import base64
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from independent import gcm_seal, rsa_sign
from pay_keys import API_V3_KEY, BRAND_ID, PLATFORM_ID, SERIAL_NO, pay_brand

from app.core import clock
from app.core.errors import ProgrammingError, SiyuError
from app.core.inbox import Inbox
from app.core.transaction import transaction
from app.wechat.errors import (
    AnswerIncomplete,
    CallbackMalformed,
    CallbackSignature,
    CallbackStale,
    Misconfigured,
    Rejected,
    Throttled,
    Unavailable,
)
from app.wechat.pay import signing
from app.wechat.pay.account import KeyUnreadable, PayAccount, private_key, public_key
from app.wechat.pay.client import PayWire
from app.wechat.pay.notice import moment, open_notice
from app.wechat.pay.product_coupons import Named, ProductCoupons
from app.wechat.pay.signing import Signed
from app.wechat.simulator.engine.pay import Pay, pem_pair
from app.wechat.simulator.engine.world import World as Far

BASE = "http://wxpay.test"
LOOK = f"{BASE}/brand/marketing/product-coupon/users/o1/coupons/C1"
ONE = Named("p1", "s1", "wxapp", "o1", "C1")
ENTITY = {"coupon_code": "C1", "coupon_state": "EFFECTIVE", "receive_time": "2026-01-01T08:00:00+08:00"}


@pytest.fixture(scope="module")
def account() -> PayAccount:
    return PayAccount(
        id=BRAND_ID,
        serial_no=SERIAL_NO,
        private_key=private_key(os.environ["WXPAY_PRIVATE_KEY"]),
        api_v3_key=API_V3_KEY.encode(),
        platform_keys={PLATFORM_ID: public_key(os.environ["WXPAY_PUBLIC_KEY"])},
        api_base=BASE,
    )


@pytest.fixture(scope="module")
def far() -> Pay:
    """WeChat Pay, that signs and seals."""
    pay = Pay(Far())
    pay.put_brand(pay_brand())
    return pay


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def coupons(account: PayAccount, naps: list[float]) -> ProductCoupons:
    return ProductCoupons(account, PayWire(sleep=naps.append))


def signed(far: Pay, body: bytes) -> dict[str, str]:
    return far.signed_headers(far.only(), body)


def notice(far: Pay, **fields: Any) -> tuple[bytes, dict[str, str]]:
    told = {
        "id": "n-1",
        "create_time": "2026-01-01T08:00:00+08:00",
        "Event": "PRODUCT_COUPON.USE",
        "brand_id": BRAND_ID,
        "resource": {"coupon_code": "C1", "stock_id": "s1"},
    }
    _, body, headers = far.envelope(told | fields)
    return body, headers


# --- known answers ---------------------------------------------------------------------------------------------------


def test_our_signature_is_what_other_code_makes(account: PayAccount) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    target, body = "/brand/marketing/product-coupon/users/o%2D1/coupons?appid=wx1", '{"名":"券"}'.encode()
    header = signing.authorization(account, method="POST", target=target, body=body, at=at, nonce="N" * 32)
    numbers = account.private_key.private_numbers()
    text = b"POST\n" + target.encode() + b"\n1767323045\n" + b"N" * 32 + b"\n" + body + b"\n"
    expected = base64.b64encode(rsa_sign(numbers.public_numbers.n, numbers.d, text)).decode()
    assert header == (
        f'WECHATPAY-BRAND-SHA256-RSA2048 brand_id="{BRAND_ID}",nonce_str="{"N" * 32}",signature="{expected}",'
        f'timestamp="1767323045",serial_no="{SERIAL_NO}"'
    )
    merchant = PayAccount("1900000001", "AB12CD34", account.private_key, b"", {}, brand=False)
    header = signing.authorization(merchant, method="GET", target="/v3/certificates", body=b"", at=at, nonce="n")
    assert header.startswith('WECHATPAY2-SHA256-RSA2048 mchid="1900000001",nonce_str="n",signature="')


def test_a_signature_that_other_code_made_is_believed(account: PayAccount) -> None:
    numbers = private_key(os.environ["SIMULATOR_WXPAY_KEY"]).private_numbers()
    at, body = clock.now(), b'{"a":1}'
    stamp = str(int(at.timestamp()))
    made = rsa_sign(numbers.public_numbers.n, numbers.d, f"{stamp}\nnonce\n".encode() + body + b"\n")
    mine = Signed(PLATFORM_ID, stamp, "nonce", base64.b64encode(made).decode())
    signing.verify(account, mine, body, at=at)
    with pytest.raises(CallbackSignature):
        signing.verify(account, mine, body + b" ", at=at)
    with pytest.raises(CallbackStale):
        signing.verify(account, mine, body, at=at + timedelta(seconds=signing.WINDOW + 2))


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 200])
@pytest.mark.parametrize("bound", ["", "product_coupon"])
def test_what_other_code_sealed_opens(length: int, bound: str) -> None:
    plain = json.dumps({"x": "券" * length}, ensure_ascii=False).encode()
    sealed = gcm_seal(API_V3_KEY.encode(), b"0123456789ab", plain, bound.encode())
    resource = {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": "0123456789ab",
        "associated_data": bound,
        "ciphertext": base64.b64encode(sealed).decode(),
    }
    assert signing.unseal(API_V3_KEY.encode(), resource) == {"x": "券" * length}
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    with pytest.raises(CallbackMalformed):
        signing.unseal(API_V3_KEY.encode(), resource | {"ciphertext": base64.b64encode(broken).decode()})
    with pytest.raises(CallbackMalformed):
        signing.unseal(API_V3_KEY.encode(), resource | {"associated_data": bound + "x"})
    # The first vector of NIST for AES-256-GCM, so that the other code is right itself.
    assert gcm_seal(bytes(32), bytes(12), b"", b"").hex() == "530f8afbc74536b9a963b4f1c4cb738b"


def test_keys_are_read_and_refused() -> None:
    private, public = pem_pair()
    one_line = private.replace("\n", "\\n")
    assert private_key(one_line).key_size == public_key(public).key_size == 2048
    for text in ("", "nonsense", public, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"):
        with pytest.raises(KeyUnreadable):
            private_key(text)
    with pytest.raises(KeyUnreadable):
        public_key(private)


def test_secrets_show_nowhere(account: PayAccount) -> None:
    assert API_V3_KEY not in repr(account) and "RSA" not in repr(account).split("scheme")[0].replace("RSA2048", "")
    assert "o1" not in repr(ONE)


# --- notices ---------------------------------------------------------------------------------------------------------


def test_a_notice_is_opened(account: PayAccount, far: Pay) -> None:
    body, headers = notice(far)
    told = open_notice(account, headers, body)
    assert (told.id, told.kind, told.fields["coupon_code"]) == ("n-1", "PRODUCT_COUPON.USE", "C1")
    assert told.at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_notice_is_stored_once_and_answered_at_once(client, far: Pay) -> None:
    body, headers = notice(far)
    for _ in range(3):
        answer = client.post(f"/hooks/wxpay/{BRAND_ID}", data=body, headers=headers)
        assert (answer.status_code, answer.data) == (204, b"")
    with transaction():
        rows = Inbox.query.all()
        assert [(row.source, row.key, row.kind) for row in rows] == [
            (f"wxpay:{BRAND_ID}", "n-1", "wxpay.product_coupon.use")
        ]


def test_probes_and_strangers_are_refused_alike(client, far: Pay) -> None:
    body, headers = notice(far)
    forged = base64.b64encode(b"x" * 256).decode()
    for change in (
        {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"]},
        {"Wechatpay-Signature": forged},
        {"Wechatpay-Signature": ""},
        {"Wechatpay-Serial": "PUB_KEY_ID_9"},
        {"Wechatpay-Nonce": ""},
        {"Wechatpay-Timestamp": "1"},
        {"Wechatpay-Timestamp": "٣"},
    ):
        encoded = {name: value.encode().decode("latin-1") for name, value in (headers | change).items()}
        answer = client.post(f"/hooks/wxpay/{BRAND_ID}", data=body, headers=encoded)
        assert (answer.status_code, answer.json) == (403, {"code": "FAIL", "message": "callback_signature"}), change
    assert client.post("/hooks/wxpay/999", data=body, headers=headers).status_code == 404
    with transaction():
        assert Inbox.query.count() == 0


def test_an_old_notice_is_refused(client, far: Pay, monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = notice(far)
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)
    answer = client.post(f"/hooks/wxpay/{BRAND_ID}", data=body, headers=headers)
    assert (answer.status_code, answer.json["message"]) == (403, "callback_stale")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["coupon_code", "stock_id", "openid", "appid", "send_request_no", "use_time", "receive_time", "use_request_no"]
)
_EVENTS = st.sampled_from(["SEND", "USE", "RETURN", "DEACTIVATE", "EXPIRE", "DELETE", "TOMORROW", "send"])
_QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_QUIET
@given(body=st.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode()), data=st.data())
def test_signed_nonsense_is_refused_and_never_breaks(client, far: Pay, body: bytes, data: Any) -> None:
    """Whoever had the key could send this; the answer is a refusal of the form, or that it was stored."""
    answer = client.post(f"/hooks/wxpay/{BRAND_ID}", data=body, headers=signed(far, body))
    assert answer.status_code in (204, 400, 403, 413), answer.text


@_QUIET
@given(
    fields=st.dictionaries(_NAMES, _JSON, max_size=6),
    event=_EVENTS,
    made=st.sampled_from(["2026-01-01T08:00:00+08:00", "2026-01-01", "", "9999-12-31T23:59:59-23:00"]),
    number=st.integers(0, 1 << 60),
)
def test_sealed_nonsense_is_stored_or_refused_and_no_worker_breaks(
    client, run_work, emptied, far: Pay, fields: dict[str, Any], event: str, made: str, number: int
) -> None:
    told = {"Event": f"PRODUCT_COUPON.{event}", "id": f"n-{number}", "create_time": made, "resource": fields}
    body, headers = notice(far, **told)
    answer = client.post(f"/hooks/wxpay/{BRAND_ID}", data=body, headers=headers)
    assert answer.status_code in (204, 400), answer.text
    run_work()
    with transaction():
        errors = {row.last_error for row in Inbox.query.all() if row.status != "done"}
        assert errors <= {"notice_incomplete"}, errors
    emptied()


@given(text=st.text(max_size=50) | st.sampled_from(["2026-01-01T08:00+08:00", "0001-01-01T00:00:00+14:00"]))
def test_times_are_read_or_nothing(text: str) -> None:
    read = moment(text)
    assert read is None or read.tzinfo is UTC


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_is_signed_and_its_answer_believed(coupons: ProductCoupons, far: Pay) -> None:
    body = json.dumps(ENTITY).encode()
    with responses.RequestsMock() as mock:
        mock.add(responses.GET, LOOK, body=body, headers=signed(far, body))
        assert coupons.look(ONE).state == "EFFECTIVE"
        sent = mock.calls[0].request
        assert sent.headers["Wechatpay-Serial"] == PLATFORM_ID
        assert far.check_request(sent.headers["Authorization"], "GET", sent.path_url, b"").brand_id == BRAND_ID


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "SIGN_ERROR", Misconfigured),
        (403, "NO_AUTH", Misconfigured),
        (404, "", Misconfigured),
        (404, "NOT_FOUND", Rejected),
        (400, "PARAM_ERROR", Rejected),
        (403, "RULE_LIMIT", Rejected),
        (429, "RATELIMIT_EXCEEDED", Throttled),
        (500, "SYSTEM_ERROR", Unavailable),
        (502, "", Unavailable),
    ],
)
def test_refusals_are_ours(
    coupons: ProductCoupons, naps: list[float], status: int, code: str, expected: type[SiyuError]
) -> None:
    body = {"code": code, "message": "o1 的券"} if code else "<html>"
    with responses.RequestsMock() as mock:
        mock.add(responses.GET, LOOK, status=status, **({"json": body} if code else {"body": body}))
        with pytest.raises(expected) as refused:
            coupons.look(ONE)
        assert len(mock.calls) == (3 if expected is Unavailable else 1) == len(naps) + 1
    # Neither the openid in the path nor WeChat Pay's words get out.
    assert "o1" not in f"{refused.value.message}{refused.value.data}{refused.value.__cause__}"


def test_a_forged_answer_is_not_believed(coupons: ProductCoupons, far: Pay) -> None:
    body = json.dumps(ENTITY | {"coupon_state": "USED"}).encode()
    headers = signed(far, json.dumps(ENTITY).encode())
    for wrong in (headers, {}, headers | {"Wechatpay-Serial": "other"}):
        with responses.RequestsMock() as mock:
            mock.add(responses.GET, LOOK, body=body, headers=wrong)
            with pytest.raises(Misconfigured) as refused:
                coupons.look(ONE)
        assert refused.value.reason == "answer_signature"


@pytest.mark.parametrize("entity", [{}, {"coupon_code": "C1", "coupon_state": "NEW"}, {"coupon_state": "USED"}])
def test_an_answer_without_its_parts_is_not_read_as_nothing(
    coupons: ProductCoupons, far: Pay, entity: dict[str, str]
) -> None:
    body = json.dumps(entity).encode()
    with responses.RequestsMock() as mock:
        mock.add(responses.GET, LOOK, body=body, headers=signed(far, body))
        with pytest.raises(AnswerIncomplete):
            coupons.look(ONE)


def test_the_net_and_the_transaction(
    coupons: ProductCoupons, naps: list[float], app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with responses.RequestsMock() as mock, caplog.at_level(logging.INFO):
        mock.add(responses.GET, LOOK, body=requests.ConnectionError(f"{LOOK}?appid=secret"))
        with pytest.raises(Unavailable):
            coupons.look(ONE)
    assert len(naps) == 2 and "o1/coupons" not in caplog.text
    with transaction(), pytest.raises(ProgrammingError):
        coupons.look(ONE)
