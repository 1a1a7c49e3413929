"""The audience of headquarters, regions, dealers and store managers: a JSON API and the pages of the console."""

from __future__ import annotations

from apiflask import APIBlueprint

# Importing a module puts its routes on the blueprints.
from . import account, audit_log, lists, members, privacy, privacy_pages, session, today, trace, users  # noqa: F401
from .blueprint import api
from .console import console


def blueprints() -> tuple[APIBlueprint, ...]:
    return (api, console)
