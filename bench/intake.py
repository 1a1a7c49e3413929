"""Taking in a WeCom callback (verify, decrypt, parse, store) against an empty Flask route."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import urlencode

import psycopg

from app.wechat.callbacks import CallbackKeys, seal
from bench import common
from bench.common import CLIENTS, Plan

GOAL = 0.2

_EVENT = (
    "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
    "<CreateTime>1403610513</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[add_external_contact]]></ChangeType>"
    "<UserID><![CDATA[guide{number}]]></UserID><ExternalUserID><![CDATA[woAJ2GCAAAXtWyujaWJHDDGi0mAC{number}]]>"
    "</ExternalUserID><State><![CDATA[teststate]]></State><WelcomeCode><![CDATA[WELCOMECODE{number}]]></WelcomeCode>"
    "</xml>"
)


def run(environment: dict[str, str], seeded: dict[str, Any], plan: Plan) -> None:
    """Measure and print the ratio."""
    keys = CallbackKeys(token=seeded["token"], aes_key=seeded["aes_key"], receiver=seeded["corp_id"])
    numbers = itertools.count(1)
    rows: list[dict[str, object]] = []

    def ours(count: int) -> list[list[bytes]]:
        return common.shared_out([_callback(keys, next(numbers)) for _ in range(count * CLIENTS)])

    def empty(count: int) -> list[list[bytes]]:
        like = _callback(keys, 0).replace(f"/hooks/wecom/{keys.receiver}".encode(), b"/empty", 1)
        return common.shared_out([like] * (count * CLIENTS))

    with (
        common.served("wsgi:app", environment) as port,
        common.served("bench.bare:app", environment) as bare_port,
    ):
        common.load(port, ours(25))
        common.load(bare_port, empty(25))
        for number in range(plan.rounds):
            rows.append(_row(number, "empty", common.load(bare_port, empty(plan.requests * 2))))
            rows.append(_row(number, "siyu", common.load(port, ours(plan.requests))))
            common.note(f"round {number + 1}: " + ", ".join(f"{r['target']} {r['per_second']}/s" for r in rows[-2:]))
    sent = next(numbers) - 1
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        stored = connection.execute("SELECT count(*) FROM inbox").fetchone()
    if stored != (sent,):
        raise RuntimeError(f"{sent} callbacks were sent, {stored} are stored")
    common.write_rows("intake", rows)
    common.ratio("intake_to_empty_flask", common.median_rate(rows, "siyu") / common.median_rate(rows, "empty"), GOAL)


def _row(number: int, target: str, load: common.Load) -> dict[str, object]:
    return {
        "round": number,
        "target": target,
        "per_second": round(load.per_second, 1),
        "median_ms": round(load.median * 1000, 2),
        "p99_ms": round(load.p99 * 1000, 2),
    }


def _callback(keys: CallbackKeys, number: int) -> bytes:
    sealed = seal(_EVENT.format(corp=keys.receiver, number=number), keys=keys)
    target = f"/hooks/wecom/{keys.receiver}?{urlencode(sealed.query)}"
    return common.http_request("POST", target, sealed.callback_xml(1).encode(), Content_Type="text/xml")
