"""Writes: tags and who has them, traits, segments, and snapshots of who a segment has."""

from .rule_tags import apply_rule
from .segments import save_segment, take_snapshot
from .tags import adopt_tag, define_tag, part_with_wecom, put, retire_tag, take_off
from .traits import rebuild_traits, refresh_traits, renew_cuts

__all__ = [
    "adopt_tag",
    "apply_rule",
    "define_tag",
    "part_with_wecom",
    "put",
    "rebuild_traits",
    "refresh_traits",
    "renew_cuts",
    "retire_tag",
    "save_segment",
    "take_off",
    "take_snapshot",
]
