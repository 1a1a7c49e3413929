"""Callbacks from Tencent: verified, decrypted, stored, answered. Everything else happens later, in workers."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import miniprogram, wecom


def blueprints() -> tuple[APIBlueprint, ...]:
    return (wecom.bp, miniprogram.bp)
