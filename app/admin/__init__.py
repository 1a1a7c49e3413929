"""The audience of headquarters, regions, dealers and store managers: a JSON API and the pages of the console."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import lists, members, session, today, trace  # noqa: F401  (importing a module puts its routes on the blueprint)
from .blueprint import api
from .console import console


def blueprints() -> tuple[APIBlueprint, ...]:
    return (api, console)
