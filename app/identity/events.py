"""What happened to a person. A person stands above brands: `brand_id` 0 means that no single brand is meant."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class Merged(Event):
    """Two persons turned out to be one. `loser_id` resolves to `winner_id` from now on, forever."""

    name = "identity.merged"

    winner_id: int
    loser_id: int
    merge_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Split(Event):
    """A merge was taken back: `loser_id` is a person of its own again. `person_id` is who it was merged into."""

    name = "identity.split"

    winner_id: int
    loser_id: int
    merge_id: int


@dataclass(frozen=True, kw_only=True)
class ReviewOpened(Event):
    """Ids contradict each other and a human must look: see identity_review."""

    name = "identity.review_opened"

    review_id: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReviewDecided(Event):
    """A human decided a review: `status` is merged or kept_apart."""

    name = "identity.review_decided"

    review_id: int
    status: str
