"""The hot paths: one seed for both parts, then each in turn."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from app.core import crypto
from bench import common, intake, redemption
from bench.common import Plan
from dev.services import Services


def run(services: Services, parts: Sequence[str], plan: Plan) -> None:
    """Measure `redemption` and `intake`, or the one that is asked for."""
    with common.scratch(services) as environment:
        crypto.configure(
            crypto.Keyring(keys={}, current="", index_key=base64.b64decode(environment["BLIND_INDEX_KEY"]))
        )
        wanted = redemption.coupons_needed(plan) if "redemption" in parts else (0, 0)
        common.note(f"seeding {sum(wanted)} coupons")
        seeded = json.loads(common.python(environment, "-m", "bench.seed", *map(str, wanted)))
        common.settle(environment["DATABASE_URL"])
        if "redemption" in parts:
            redemption.run(services, environment, seeded, plan)
        if "intake" in parts:
            intake.run(environment, seeded, plan)
