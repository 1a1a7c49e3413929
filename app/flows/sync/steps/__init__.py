"""The steps of a run, in their order. Each module is one step (see `step.Step`)."""

from __future__ import annotations

from ..step import Step
from . import chats, contacts, customers, departments, groups, losses, staff, tags

STEPS: tuple[Step, ...] = (
    departments.STEP,
    staff.STEP,
    tags.STEP,
    customers.STEP,
    contacts.STEP,
    groups.STEP,
    chats.STEP,
    losses.STEP,
)
BY_NAME = {step.name: step for step in STEPS}


def following(name: str) -> Step | None:
    """The step after a step; None after the last."""
    names = [step.name for step in STEPS]
    at = names.index(name) + 1
    return STEPS[at] if at < len(STEPS) else None
