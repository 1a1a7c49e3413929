"""Cursors: what a list answered with is understood again, everything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import paging
from app.core.paging import CursorInvalid

MOMENT = datetime(2026, 11, 22, 18, 0, tzinfo=timezone(timedelta(hours=8)))


def sealed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_pages_follow_each_other_to_the_last_row() -> None:
    rows = [(MOMENT, number) for number in range(5)]
    shown, cursor = paging.page(rows, 4, lambda row: row)
    assert shown == rows[:4] and paging.after(cursor) == rows[3]
    assert paging.page(rows, 5, lambda row: row) == (rows, None)
    assert paging.page([], 5, lambda row: (row,)) == ([], None)


def test_a_list_by_id_alone() -> None:
    shown, cursor = paging.page([9, 8, 7], 2, lambda row: (row,))
    assert shown == [9, 8] and paging.after_id(cursor) == 8


def test_no_cursor_is_the_first_page() -> None:
    assert paging.after(None) is paging.after("") is paging.after_id(None) is paging.after_id("") is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        None,
        5,
        [5],
        ["x", 1],
        ["2026-01-01T00:00:00", 1],
        [MOMENT.isoformat()],
        [MOMENT.isoformat(), "1"],
        [MOMENT.isoformat(), True],
        [MOMENT.isoformat(), 1.0],
        [MOMENT.isoformat(), 1 << 63],
        [MOMENT.isoformat(), 1, 2],
    ],
)
def test_a_place_of_other_values_is_refused(value: object) -> None:
    with pytest.raises(CursorInvalid):
        paging.after(sealed(value))


@pytest.mark.parametrize("value", [[], {}, None, 5, ["5"], [True], [1 << 63], [MOMENT.isoformat(), 1]])
def test_an_id_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(CursorInvalid):
        paging.after_id(sealed(value))


@given(st.text(max_size=200))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        place = paging.after(text)
    except CursorInvalid:
        return
    assert place is None or place[0].astimezone(UTC).tzinfo is UTC
