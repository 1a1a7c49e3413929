"""The shopper's audience: the mini-program's API."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import basket, coupons, friends, me, official, privacy, session


def blueprints() -> tuple[APIBlueprint, ...]:
    return (session.bp, official.bp, me.bp, coupons.bp, basket.bp, friends.bp, privacy.bp)
