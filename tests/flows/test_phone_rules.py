"""When a phone joins two persons, when it asks, and what proves that a record is somebody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.flows.phone_rules import LONG_UNSEEN, Facts, Held, doubt, proves

PLAIN = Facts(kept_apart=False, clash=None, two_members=False, wallet=True, unseen=timedelta(days=30))
HELD = Held(frozenset({"C1", "1234567897"}), date(1990, 5, 1), "王小美")


def test_a_till_card_seen_lately_is_joined_by_its_phone() -> None:
    assert doubt(PLAIN) is None
    assert doubt(replace(PLAIN, unseen=timedelta(days=9999), wallet=False)) is None
    assert doubt(replace(PLAIN, clash="too_many_mobile")) is None  # that is for a review, not for a question


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unseen": LONG_UNSEEN + timedelta(days=1)}, "long_unseen"),
        ({"two_members": True}, "two_members"),
        ({"clash": "differing_unionid"}, "differing_unionid"),
        ({"clash": "differing_openid", "two_members": True}, "differing_openid"),
        ({"kept_apart": True, "clash": "differing_unionid"}, "kept_apart"),
    ],
)
def test_what_speaks_against_one_human(change: dict[str, object], reason: str) -> None:
    assert doubt(replace(PLAIN, **change)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card", "birthday", "name"),
    [
        ("C1", date(1990, 5, 1), None),
        (" c1 ", None, "王小美"),
        ("1234567897", date(1990, 5, 1), "王 小美"),
    ],
)
def test_a_card_with_birthday_or_name_is_proof(card: str, birthday: date | None, name: str | None) -> None:
    assert proves(HELD, card_no=card, birthday=birthday, name=name)


@pytest.mark.parametrize(
    ("card", "birthday", "name"),
    [
        ("C1", None, None),
        ("C2", date(1990, 5, 1), "王小美"),
        ("C1", date(1990, 5, 2), None),
        ("C1", date(1990, 5, 1), "李雷"),
        ("", date(1990, 5, 1), None),
    ],
)
def test_less_or_wrong_is_none(card: str, birthday: date | None, name: str | None) -> None:
    assert not proves(HELD, card_no=card, birthday=birthday, name=name)


def test_a_record_that_holds_nothing_cannot_be_proved() -> None:
    for held in (Held(frozenset(), date(1990, 5, 1), "王"), Held(frozenset({"C1"}), None, None)):
        assert held.proofs == [] and not proves(held, card_no="C1", birthday=date(1990, 5, 1), name="王")
    assert HELD.proofs == ["card_no", "birthday", "name"]
