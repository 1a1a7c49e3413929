"""The guides' audience: the page beside a chat in WeCom and its API."""

from __future__ import annotations

from apiflask import APIBlueprint

# Importing these modules puts their routes on the blueprint.
from . import coupons, customers, entry, materials, me, reveals, tags, tasks
from .blueprint import api

ROUTES = (customers, tasks, materials, coupons, me, reveals, tags)


def blueprints() -> tuple[APIBlueprint, ...]:
    return (entry.bp, api)
