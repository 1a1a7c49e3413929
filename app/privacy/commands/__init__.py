"""Writes of privacy, by verb."""

from .record import publish_policy, recompute, recompute_person, record
from .reveal import reveal

__all__ = ["publish_policy", "recompute", "recompute_person", "record", "reveal"]
