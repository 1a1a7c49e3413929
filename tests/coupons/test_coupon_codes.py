from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import crypto
from app.coupons import codes, errors

NOW = datetime(2026, 3, 10, 4, 30, 20, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
def keyring() -> None:
    crypto.configure(crypto.Keyring(keys={"t1": bytes(range(32))}, current="t1", index_key=bytes(range(32, 64))))


def test_the_alphabet_has_32_symbols_and_no_look_alikes() -> None:
    assert len(set(codes.ALPHABET)) == 32 and not set("01IO") & set(codes.ALPHABET)


def test_codes_are_13_symbols_and_differ() -> None:
    made = {codes.new_code() for _ in range(1000)}
    assert len(made) == 1000 and all(len(code) == 13 for code in made)


shown = st.sampled_from(["own", "rotating"]).map(
    lambda kind: codes.new_code() if kind == "own" else codes.rotating(codes.new_code(), NOW)[0]
)


@given(text=shown)
def test_a_code_may_be_typed_in_groups_and_small_letters(text: str) -> None:
    typed = "-".join([text[:4].lower(), text[4:8], text[8:]]) + " "
    assert codes.read(typed, NOW) == codes.read(text, NOW)


@given(text=shown, data=st.data())
def test_any_single_wrong_symbol_is_caught(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from([symbol for symbol in codes.ALPHABET if symbol != text[place]]))
    with pytest.raises(errors.CouponUnknown) as refused:
        codes.read(text[:place] + wrong + text[place + 1 :], NOW)
    assert refused.value.data == {"mistyped": True}


@given(text=shown, data=st.data())
def test_any_two_exchanged_symbols_are_caught(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 2))
    exchanged = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if exchanged != text:
        with pytest.raises(errors.CouponUnknown) as refused:
            codes.read(exchanged, NOW)
        assert refused.value.data == {"mistyped": True}


@pytest.mark.parametrize("text", ["", "0", "O" * 13, "é" * 13, "2" * 14, "2" * 400])
def test_nonsense_is_unknown(text: str) -> None:
    with pytest.raises(errors.CouponUnknown):
        codes.read(text, NOW)


def test_a_rotating_code_opens_in_its_step_and_the_next_one() -> None:
    code = codes.new_code()
    text, left = codes.rotating(code, NOW)
    assert left == 40
    assert codes.read(text, NOW) == (code, codes.step_at(NOW), False)
    assert codes.read(text, NOW + timedelta(seconds=99)) == (code, codes.step_at(NOW), False)
    assert codes.recognized(text, NOW + timedelta(minutes=120)) == (code, codes.step_at(NOW), True)
    with pytest.raises(errors.CodeExpired):
        codes.read(text, NOW + timedelta(seconds=100))
    with pytest.raises(errors.CouponUnknown):
        codes.read(text, NOW + timedelta(days=1))


def test_a_rotating_code_changes_with_every_step_and_hides_the_code() -> None:
    code = codes.new_code()
    first, second = codes.rotating(code, NOW)[0], codes.rotating(code, NOW + timedelta(minutes=1))[0]
    assert first != second and first[8:20] != second[8:20]
    assert code[:12] not in (first[8:20], second[8:20])


def test_a_rotating_code_made_with_another_key_is_unknown() -> None:
    text = codes.rotating(codes.new_code(), NOW)[0]
    crypto.configure(crypto.Keyring(keys={"t1": bytes(range(32))}, current="t1", index_key=bytes(32)))
    try:
        with pytest.raises(errors.CouponUnknown):
            codes.read(text, NOW)
    finally:
        crypto.configure(crypto.Keyring(keys={"t1": bytes(range(32))}, current="t1", index_key=bytes(range(32, 64))))
