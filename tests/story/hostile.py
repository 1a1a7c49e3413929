"""Bad input: each has a stable code, changes nothing, and never answers 500."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any

import requests

from .clients import TIMEOUT, Shopper, Till
from .stage import Failed, Stopped, expect
from .tale import Tale, _basket


def play(tale: Tale) -> None:
    """Every hostile request of the issue's list, after the tale was told."""
    for act in (_callbacks, _codes, _tills, _bodies):
        with contextlib.suppress(Stopped):
            act(tale)


def _refused(answer: requests.Response, *, codes: tuple[str, ...] = ()) -> None:
    if not 400 <= answer.status_code < 500:
        raise Failed(f"wanted 4xx, got {answer.status_code} {answer.text[:200]}")
    if codes and answer.json()["code"] not in codes:
        raise Failed(f"wanted {codes}, got {answer.json()['code']}")


def _callbacks(tale: Tale) -> None:
    tencent = tale.tencent
    plain = tencent.event(
        Event="change_external_contact",
        ChangeType="add_external_contact",
        UserID=tale.guide_userid,
        ExternalUserID=f"wmHostile{secrets.token_hex(6)}",
    )
    query, body = tencent.seal(plain)
    with tale.step("callback: forged signature"):
        _refused(tencent.post({**query, "msg_signature": "0" * 40}, body), codes=("callback_signature",))
    with tale.step("callback: wrong token"):
        wrong, same_body = tencent.seal(plain, token="not-the-token")
        _refused(tencent.post(wrong, same_body), codes=("callback_signature",))
    with tale.step("callback: tampered ciphertext"):
        at = body.index("<Encrypt><![CDATA[") + 60
        flipped = "A" if body[at] != "A" else "B"
        _refused(tencent.post(query, body[:at] + flipped + body[at + 1 :]), codes=("callback_signature",))
    with tale.step("callback: truncated body"):
        for cut in (0, 1, len(body) // 2, len(body) - 3):
            _refused(tencent.post(query, body[:cut]))
    with tale.step("callback: another corp's receiver"):
        _refused(tencent.post(*tencent.seal(plain, receiver="ww0000000000000000")))
    with tale.step("callback: DTD and external entity"):
        evil = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>'
        _refused(tencent.post(query, evil))
        _refused(tencent.post(*tencent.seal('<!DOCTYPE x [<!ENTITY e "boom">]><xml><Event>&e;</Event></xml>')))
    with tale.step("callback: bytes that are no text"):
        _refused(tencent.post(query, b"\xff\xfe\x00<xml>\x80</xml>"))
    with tale.step("callback: oversized"):
        _refused(tencent.post(query, "<xml>" + "A" * (2 << 20)))


def _codes(tale: Tale) -> None:
    stranger = Shopper(tale.described, tale.tencent, f"{tale.customer}-1")
    with tale.step("miniapp: replayed login code"):
        code = stranger.code("login")
        expect(stranger.login(code))
        _refused(stranger.login(code), codes=("login_code_used",))
    with tale.step("miniapp: another user's phone code"):
        answer = stranger.call("POST", "/phone", {"code": tale.shopper.code("phone")})
        _refused(answer, codes=("phone_code_invalid", "phone_code_foreign"))
        if expect(stranger.call("GET", "/me"))["bound"]:
            raise Failed("a stranger took the phone")
    with tale.step("miniapp: no token, a forged token, another audience's token"):
        for token in ("", "x.y.z", tale.hq.token):
            _refused(Shopper(tale.described, tale.tencent, tale.customer, token=token).call("GET", "/me"))


def _tills(tale: Tale) -> None:
    till, store_till = tale.till, Till(tale.described, key="store_till")
    body = {"code": "ABCDEFGH2345X", "order_no": f"V{tale.mark}", "store": "S001", "lines": _basket()}
    with tale.step("till: unknown coupon"):
        _refused(till.call("POST", "/redemptions", body), codes=("coupon_unknown",))
    with tale.step("till: a store outside the key's scope"):
        _refused(store_till.call("POST", "/redemptions", {**body, "store": "S002"}), codes=("store_unknown",))
    with tale.step("till: bad signature"):
        _refused(till.call("POST", "/redemptions", body, secret="wrong"), codes=("bad_signature",))
    with tale.step("till: lines that do not add up"):
        lines = [{"line_no": 1, "sku": "a", "name": "a", "category": "c", "quantity": 2, "amount_fen": 100,
                  "discount_fen": 200}]  # fmt: skip
        _refused(till.call("POST", "/orders", tale.order("W", lines)))


def _bodies(tale: Tale) -> None:
    url = f"{tale.described['web_url']}/api/admin/v1/login"
    hostile: list[tuple[str, Any, str]] = [
        ("deeply nested JSON", b"[" * 5000 + b"]" * 5000, "json_too_deep"),
        ("oversized JSON", b'{"login":"' + b"a" * (2 << 20) + b'"}', "too_large"),
        ("malformed JSON", b'{"login":', "malformed_json"),
        ("JSON of another shape", b"[1,2]", "invalid"),
    ]
    for name, data, code in hostile:
        with tale.step(f"body: {name}"):
            answer = requests.post(url, data=data, headers={"Content-Type": "application/json"}, timeout=TIMEOUT)
            _refused(answer, codes=(code,))
