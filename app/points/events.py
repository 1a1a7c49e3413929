"""Events of points."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class ExpiryDue(Event):
    """A chunk of a brand's expired lots waits to be booked. `until`: ISO time before which lots have expired."""

    name = "points.expiry_due"

    until: str
