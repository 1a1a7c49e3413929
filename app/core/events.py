"""Events: frozen dataclasses in the past tense, named `coupons.redeemed`, that travel through the outbox as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

_registry: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every event. Fields must be JSON-safe: integers, strings, booleans, lists and dicts of these."""

    name: ClassVar[str]

    brand_id: int
    member_id: int | None = None
    person_id: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _registry[cls.name] = cls

    def payload(self) -> dict[str, Any]:
        return dict(vars(self))  # fields are JSON already; asdict would copy each of them deeply


def load(name: str, payload: dict[str, Any]) -> Event:
    """The event a stored row holds. Fields added since it was written take their defaults."""
    return _registry[name](**payload)


def names() -> frozenset[str]:
    """Every event name the running code knows."""
    return frozenset(_registry)
