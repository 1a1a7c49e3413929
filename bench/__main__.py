"""`python -m bench [--short] [--group hot|identity|coupons] [PART ..]`: one `ratio NAME VALUE goal GOAL` a line.

Raw rows go to bench/out/. Run it alone on the machine. --short is for CI: it shows that everything measures, its
figures are rough.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util

from bench import common, hot
from dev import processes

# A part that bench.hot does not seed is the module bench.PART with `run(services, environment, plan)`: `environment` is
# that of a migrated, empty database of its own, for its processes.
GROUPS = {
    "hot": ("redemption", "intake"),
    "identity": ("imports", "home", "profile", "merges"),
    "coupons": ("redemption", "claims", "push", "redeem_codes"),
}
SEEDED = ("redemption", "intake")  # by bench.hot, together


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="few requests, for CI")
    parser.add_argument("--group", choices=GROUPS, default="hot", help="which benchmarks; hot when not named")
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these parts of the group")
    options = parser.parse_args()
    known = GROUPS[options.group]
    if unknown := set(options.parts) - set(known):
        parser.error(f"{options.group} has {', '.join(known)}, but not {', '.join(sorted(unknown))}")
    parts, plan = options.parts or known, common.SHORT if options.short else common.FULL
    with processes.terminated_as_interrupt(), common.services() as services:
        if seeded := [part for part in parts if part in SEEDED]:
            hot.run(services, seeded, plan)
        for part in (part for part in parts if part not in SEEDED):
            if importlib.util.find_spec(f"bench.{part}") is None:
                common.note(f"{part} is not written yet")
                continue
            common.note(f"measuring {part}")
            with common.scratch(services) as environment:
                importlib.import_module(f"bench.{part}").run(services, environment, plan)


if __name__ == "__main__":
    main()
