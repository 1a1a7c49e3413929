"""`python -m bench [--short] [redemption] [intake]`: one `ratio NAME VALUE goal GOAL` a line, raw rows in bench/out/.

Run it alone on the machine. --short is for CI: it shows that everything measures, its figures are rough.
"""

from __future__ import annotations

import argparse
import base64
import json

from app.core import crypto
from bench import common, intake, redemption
from dev import processes

PARTS = ("redemption", "intake")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="few requests, for CI")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all when none is named")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    parts, plan = options.parts or PARTS, common.SHORT if options.short else common.FULL
    with processes.terminated_as_interrupt(), common.scratch() as (services, environment):
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


if __name__ == "__main__":
    main()
