"""Callbacks from Tencent: verified, decrypted, stored, answered. Everything else happens later, in workers."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import miniprogram, official, suite, wecom


def blueprints() -> tuple[APIBlueprint, ...]:
    return (wecom.bp, suite.bp, miniprogram.bp, official.bp)
