"""Callbacks from Tencent: verified, decrypted, stored, answered. Everything else happens later, in workers."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import miniprogram, official, suite, wecom, wxpay


def blueprints() -> tuple[APIBlueprint, ...]:
    return (wecom.bp, suite.bp, miniprogram.bp, official.bp, wxpay.bp)
