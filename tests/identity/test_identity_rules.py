"""Phones, blocked values and what keeps two persons apart."""

from __future__ import annotations

import pytest

from app.identity.errors import PhoneInvalid
from app.identity.rules import Identity, clash, is_blocked, mobile, normal_phone, over_limit


@pytest.mark.parametrize(
    "text",
    [
        "13712345678",
        "+8613712345678",
        "86 137-1234-5678",
        "0086 13712345678",
        "１３７１２３４５６７８",
        " 137 1234 5678 ",
    ],
)
def test_one_mainland_number_in_many_spellings(text: str) -> None:
    assert normal_phone(text) == "13712345678"


@pytest.mark.parametrize(("text", "number"), [("+852 6123 4567", "+85261234567"), ("0085261234567", "+85261234567")])
def test_a_number_from_abroad_keeps_its_country(text: str, number: str) -> None:
    assert normal_phone(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "1371234567", "137123456789", "021-55551234", "+86 21 5555 1234", "12345678901", "phone", "1371234567x"],
)
def test_what_is_no_mobile_is_refused_not_guessed(text: str) -> None:
    with pytest.raises(PhoneInvalid):
        normal_phone(text)


@pytest.mark.parametrize("number", ["13800000000", "13800138000", "15911111111"])
def test_numbers_that_identify_nobody(number: str) -> None:
    assert is_blocked(mobile(number))


@pytest.mark.parametrize("value", ["0", "0000000", "NULL", "-"])
def test_cards_that_identify_nobody(value: str) -> None:
    assert is_blocked(Identity("card", "till", value))


def test_an_ordinary_number_is_not_blocked() -> None:
    assert not is_blocked(mobile("13712345678"))
    assert not is_blocked(Identity("card", "till", "C000012"))


def test_the_value_of_an_identity_is_not_printed() -> None:
    assert "137" not in repr(mobile("13712345678"))


UNION_1, UNION_2 = ("unionid", "open", "u1"), ("unionid", "open", "u2")
CARD_1, CARD_2 = ("card", "till", "c1"), ("card", "till", "c2")


def test_a_differing_unionid_always_keeps_apart() -> None:
    for by_phone in (True, False):
        found = clash({UNION_1}, {UNION_2, CARD_1}, by_phone=by_phone)
        assert found is not None and found.reason == "differing_unionid"


def test_a_differing_card_keeps_apart_only_what_a_phone_joins() -> None:
    assert clash({CARD_1}, {CARD_2}, by_phone=True) is not None
    assert clash({CARD_1}, {CARD_2}, by_phone=False) is None
    assert clash({CARD_1}, {("card", "other till", "c2")}, by_phone=True) is None


def test_the_same_id_on_both_sides_is_no_contradiction() -> None:
    assert clash({UNION_1, CARD_1}, {UNION_1}, by_phone=True) is None


def test_a_person_has_few_phones() -> None:
    phones = {("mobile", "", str(n)) for n in range(3)}
    assert over_limit(phones) is None
    found = clash(phones, {("mobile", "", "9")}, by_phone=True)
    assert found is not None and found.reason == "too_many_mobile"
