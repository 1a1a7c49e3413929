"""Writes of privacy, by verb."""

from .erasure import (
    announce_due,
    ask_erasure,
    bury_membership,
    cancel_erasure,
    close_erasure,
    confirm_erasure,
    forget_member,
    welcome_back,
)
from .export import ask_export, fetch_export, keep_export
from .record import publish_policy, recompute, recompute_person, record
from .reveal import reveal

__all__ = [
    "announce_due",
    "ask_erasure",
    "ask_export",
    "bury_membership",
    "cancel_erasure",
    "close_erasure",
    "confirm_erasure",
    "fetch_export",
    "forget_member",
    "keep_export",
    "publish_policy",
    "recompute",
    "recompute_person",
    "record",
    "reveal",
    "welcome_back",
]
