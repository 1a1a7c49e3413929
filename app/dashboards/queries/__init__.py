"""Reads for the console, one module a page. Each takes a `Reach` and returns frozen dataclasses."""

from app.dashboards.indexes import INDEXES

__all__ = ["INDEXES"]
