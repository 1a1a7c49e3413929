"""Callbacks at 100 a second from one client: answered in milliseconds, none lost, none applied twice."""

from __future__ import annotations

import random
import secrets
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.story.clients import Hq, Tencent
from tests.story.stage import Failed, Stage, expect, until

RATE = 100
MEDIAN_MS = 50
GUIDES = 40


def play(stage: Stage, described: dict[str, Any], seconds: int) -> None:
    """`seconds` of new customers, every tenth callback delivered twice; then HQ must count each of them once."""
    tencent, hq = Tencent(described), Hq(described)
    expect(hq.login())
    count = RATE * seconds
    mark = secrets.token_hex(4)
    with stage.step(f"{count} customers exist at Tencent"):
        corp = described["wecom"]["corp_id"]
        customers = [
            {"id": f"rush-{mark}-{n}", "name": f"Rush {n}", "external_userids": {corp: f"wmRush{mark}{n:06d}"}}
            for n in range(count)
        ]
        follows = [{"staff": _staff(n), "customer": row["id"]} for n, row in enumerate(customers)]
        tencent.control("POST", "/seed", customers=customers, follows=follows)
    before = expect(hq.call("GET", "/today"))["customers_added"]["today"]
    with stage.step(f"{RATE} callbacks a second for {seconds} s, median under {MEDIAN_MS} ms"):
        times = _send(tencent, [row["external_userids"][corp] for row in customers])
        median, worst = statistics.median(times), sorted(times)[int(len(times) * 0.99)]
        print(f"     {len(times)} callbacks, median {median:.1f} ms, 99th percentile {worst:.1f} ms")
        if median > MEDIAN_MS:
            raise Failed(f"the median is {median:.1f} ms")
    with stage.step("none lost, none applied twice"):

        def counted() -> bool:
            added: int = expect(hq.call("GET", "/today"))["customers_added"]["today"] - before
            if added > count:
                raise Failed(f"{added} customers were counted for {count}")
            return added == count

        until(f"{count} customers", counted, 300)


def _staff(n: int) -> str:
    return f"g{n % GUIDES + 1:04d}"


def _send(tencent: Tencent, externals: list[str]) -> list[float]:
    """Milliseconds of each callback, paced by the clock whatever the answers take."""
    times: list[float] = []
    local = threading.local()
    order = [(n, external) for n, external in enumerate(externals)]
    twice = [one for one in order if one[0] % 10 == 0]

    def send(n: int, external: str) -> None:
        plain = tencent.event(
            Event="change_external_contact", ChangeType="add_external_contact", UserID=_staff(n),
            ExternalUserID=external, CreateTime=stamp,
        )  # fmt: skip
        client = getattr(local, "client", None)
        if client is None:
            client = local.client = Tencent(tencent.described)
        query, body = client.seal(plain)
        begun = time.perf_counter()
        answer = client.post(query, body)
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200 or answer.text != "success":
            raise Failed(f"a callback was answered {answer.status_code} {answer.text[:200]}")

    stamp = str(int(time.time()))
    jobs = order + twice
    random.Random(7).shuffle(jobs)
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        sent = []
        for place, (n, external) in enumerate(jobs):
            wait = begun + place / RATE - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            sent.append(pool.submit(send, n, external))
        for one in sent:
            one.result()
    return times
