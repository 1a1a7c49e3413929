"""`make faults`: breaks the running instance in the middle of the story and looks at how it ends.

`--rush SECONDS` sets how long callbacks come at 100 a second. Needs the instance's own machine, as it kills processes
that var/instance.json names; those are the only ones it touches.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

import redis

from dev.bootstrap import CHECKOUT, PYTHON
from dev.instance import running_environment
from tests.story.clients import instance
from tests.story.stage import Failed, Stage, Stopped, until
from tests.story.tale import Tale

from . import race, rush

KILLED = ("worker", "relay", "schedule")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rush", type=int, default=30, help="seconds of callbacks at 100 a second")
    options = parser.parse_args()
    stage = Stage()
    acts = (
        lambda: _killed_in_the_middle(stage),
        lambda: race.play(stage, instance()),
        lambda: rush.play(stage, instance(), options.rush),
        lambda: _invariants(stage),
    )
    for act in acts:
        with contextlib.suppress(Stopped):
            act()
    return stage.end()


def _killed_in_the_middle(stage: Stage) -> None:
    """The workers die and Redis is emptied four times, each time with work waiting; what follows has 120 s to come."""
    described = instance()
    tale = Tale(described, stage)
    tale.arrive(after_adding=lambda: _break(stage, "after the callbacks were answered"))
    _break(stage, "after the binding")
    tale.serve(after_completing=lambda: _break(stage, "after the task was completed"))
    tale.buy(after_paying=lambda: _break(stage, "after the order was paid"))
    with stage.step("nothing is doubled"):
        _nothing_doubled(tale)
    tale.look()


def _break(stage: Stage, when: str) -> None:
    """SIGKILL every worker, relay and schedule, and empty Redis; the supervisor starts them again."""
    with stage.step(f"SIGKILL of all workers and FLUSHALL {when}"):
        described = instance()
        dead = [one for one in described["processes"] if one["kind"] in KILLED]
        for one in dead:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["pid"], signal.SIGKILL)
        redis.Redis.from_url(described["redis_url"]).flushall()
        pids = {one["pid"] for one in dead}

        def back() -> bool:
            now = [one for one in instance()["processes"] if one["kind"] in KILLED]
            return len(now) == len(dead) and not pids & {one["pid"] for one in now}

        until("the workers", back, 60)


def _nothing_doubled(tale: Tale) -> None:
    sent = tale.tencent.control("GET", f"/sent?kind=welcome&sender={tale.guide_userid}&limit=5000")["rows"]
    welcomed = [row["to"] for row in sent if row["to"] in tale.added]
    if len(welcomed) != len(set(welcomed)):
        raise Failed("somebody was welcomed twice")
    wallet: list[dict[str, Any]] = tale.shopper.call("GET", "/coupons?limit=100").json()["items"]
    sources = sorted(one["source"] for one in wallet)
    if sources != ["sop", "tier"]:
        raise Failed(f"the wallet holds coupons from {sources}")


def _invariants(stage: Stage) -> None:
    with stage.step("flask doctor invariants: all zero"):
        done = _flask("doctor", "invariants")
        print(done.stdout[-4000:])
        if done.returncode != 0:
            raise Failed("an invariant is broken")


def _flask(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "flask", "--app", "wsgi", *arguments]
    env = running_environment()
    return subprocess.run(command, cwd=CHECKOUT, env=env, text=True, capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
