"""Stories that play by themselves."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.errors import ControlError
from app.wechat.simulator.scenarios.player import Player
from app.wechat.simulator.scenarios.saturday import Launch, Saturday


def start(engine: Engine, product_url: str, values: dict[str, Any]) -> Player:
    """`values` is {name: "saturday", **Launch fields}."""
    values = dict(values)
    if values.pop("name", "saturday") != "saturday":
        raise ControlError("the only scenario is saturday")
    unknown = set(values) - {f.name for f in fields(Launch)}
    if unknown:
        raise ControlError(f"unknown scenario fields: {', '.join(sorted(unknown))}")
    options = Launch(**values)
    if options.scans_per_hour <= 0 or options.speed <= 0:
        raise ControlError("scans_per_hour and speed must be above zero")
    scenario = Saturday(engine, product_url, options)
    scenario.start()
    return scenario
