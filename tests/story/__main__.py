"""`make story`: plays the main job against the running instance and checks every step; ends non-zero if one fails."""

from __future__ import annotations

import contextlib
import sys

from . import hostile
from .clients import instance
from .stage import Stopped
from .tale import Tale


def main() -> int:
    tale = Tale(instance())
    for act in (tale.tell, lambda: hostile.play(tale)):
        with contextlib.suppress(Stopped):
            act()
    return tale.stage.end()


if __name__ == "__main__":
    sys.exit(main())
