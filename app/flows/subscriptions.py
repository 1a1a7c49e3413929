"""The wiring table: which message, event or cron slot leads to which flow. A reader sees every reaction here."""

from __future__ import annotations

from app.core import slots

from . import doctor


def wire() -> None:
    """Fill the registries of core; called once by the composition root."""
    # identity, members, channels

    # sales, points, tiers

    # coupons

    # segments, content, sop

    # dashboards, core
    slots.handle("core.invariants", doctor.nightly)
    slots.handle("core.forget", doctor.forget)
