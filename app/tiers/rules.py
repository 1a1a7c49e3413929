"""The tier as a pure function of growth, and the names of benefit periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.errors import ProgrammingError


@dataclass(frozen=True, kw_only=True)
class Step:
    """One tier of a ladder; ladders are ordered by rank."""

    tier_id: int
    code: str
    name: str
    rank: int
    growth_from: int
    points_rate_bp: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a member stands on the brand's ladder. `current` is None before the first placement."""

    ladder: tuple[Step, ...]
    window_days: int
    protection_days: int
    current: Step | None
    since: datetime | None

    @property
    def points_rate_bp(self) -> int:
        return self.current.points_rate_bp if self.current else 10_000

    def window_start(self, at: datetime) -> datetime:
        return at - timedelta(days=self.window_days)

    def next_step(self) -> Step | None:
        """The tier above the current one."""
        rank = self.current.rank if self.current else -1
        return next((step for step in self.ladder if step.rank > rank), None)

    def protected(self, at: datetime) -> bool:
        """Whether the present tier is still kept regardless of growth."""
        return self.since is not None and at < self.since + timedelta(days=self.protection_days)


def step_for(ladder: Sequence[Step], growth: int) -> Step | None:
    """The highest step that `growth` reaches; None below the first."""
    reached = [step for step in ladder if step.growth_from <= growth]
    return reached[-1] if reached else None


def raised(standing: Standing, growth: int) -> Step | None:
    """The step a member moves up to now, or None. Moving up never waits."""
    step = step_for(standing.ladder, growth)
    if step is None or (standing.current is not None and step.rank <= standing.current.rank):
        return None
    return step


def lowered(standing: Standing, growth: int, at: datetime) -> Step | None:
    """The step a member moves down to at a review, or None: protected, still earned, or at the bottom."""
    if standing.current is None or standing.protected(at):
        return None
    step = step_for(standing.ladder, growth) or (standing.ladder[0] if standing.ladder else None)
    return step if step is not None and step.rank < standing.current.rank else None


def period_name(period: str, at: datetime, zone: ZoneInfo) -> str:
    """The name of the period a moment falls in: `once`, `2026-11` or `2026`, by the brand's calendar."""
    local = at.astimezone(zone)
    match period:
        case "once":
            return "once"
        case "monthly":
            return f"{local:%Y-%m}"
        case "yearly":
            return f"{local:%Y}"
    raise ProgrammingError(f"no such benefit period: {period}")
