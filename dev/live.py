"""What is checked on a running instance, one after the other; every part runs even when one before it failed."""
from __future__ import annotations

import subprocess
import sys

from dev.bootstrap import CHECKOUT, PYTHON

PARTS = (
    ("story", ["-m", "tests.story"]),
    ("faults", ["-m", "tests.faults", "--rush", "10"]),
)


def main() -> int:
    failed = [
        name for name, arguments in PARTS if subprocess.run([PYTHON, *arguments], cwd=CHECKOUT, check=False).returncode
    ]
    for name in failed:
        print(f"{name} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
