"""The shopper's audience: the mini-program's API."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import coupons, me, session


def blueprints() -> tuple[APIBlueprint, ...]:
    return (session.bp, me.bp, coupons.bp)
