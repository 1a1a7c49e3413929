"""Audience package; see DESIGN in the README."""

from __future__ import annotations

from apiflask import APIBlueprint


def blueprints() -> tuple[APIBlueprint, ...]:
    return ()
