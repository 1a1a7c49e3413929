"""What counts of what people said: the last word of each, the most restrictive of the merged, whatever the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy import rules
from app.privacy.errors import ConsentInvalid, RevealInvalid
from app.privacy.rules import Said

DAY = datetime(2026, 11, 1, tzinfo=UTC)
HE, SHE = 1, 2


def _at(hours: int) -> datetime:
    return DAY + timedelta(hours=hours)


def test_silence_allows_service_and_marketing_and_no_passing_on() -> None:
    assert rules.state("marketing", [], {})["wecom"]
    assert rules.state("service", [], {})["any"]
    assert not any(rules.state("group_sharing", [], {}).values())
    assert not any(rules.state("third_party", [], {}).values())


def test_the_last_word_counts_and_any_speaks_of_every_channel() -> None:
    said = [Said(HE, "any", False, _at(1)), Said(HE, "wecom", True, _at(2))]
    state = rules.state("marketing", said, {})
    assert state["wecom"] and not state["sms"] and not state["any"]
    assert not rules.state("marketing", [*said, Said(HE, "any", False, _at(3))], {})["wecom"]


def test_of_one_moment_the_refusal_counts() -> None:
    said = [Said(HE, "any", False, _at(1)), Said(HE, "any", True, _at(1))]
    assert not rules.state("marketing", said, {})["any"]
    assert not rules.state("marketing", said[::-1], {})["any"]


def test_a_merged_person_refuses_what_either_refused_until_they_say_again() -> None:
    joined = {(SHE, HE): _at(5)}
    said = [Said(SHE, "any", False, _at(1)), Said(HE, "any", True, _at(2))]
    assert not rules.state("marketing", said, joined)["wecom"], "his yes was not hers"
    assert rules.state("marketing", [*said, Said(HE, "any", True, _at(6))], joined)["wecom"]


def test_a_word_given_after_an_earlier_merge_speaks_for_that_one_only() -> None:
    third = 3
    joined = {(third, SHE): _at(2), (SHE, HE): _at(8), (third, HE): _at(8)}
    said = [Said(third, "any", False, _at(1)), Said(SHE, "any", True, _at(3)), Said(HE, "any", True, _at(7))]
    assert rules.state("marketing", said, joined)["any"], "she spoke for the third after they had become one"
    assert not rules.state("marketing", [*said, Said(HE, "sms", False, _at(7))], joined)["sms"]


_SAID = st.builds(
    Said,
    person_id=st.sampled_from([1, 2, 3]),
    channel=st.sampled_from(rules.CHANNELS),
    granted=st.booleans(),
    at=st.integers(0, 20).map(_at),
)
_JOINED = st.dictionaries(st.sampled_from([(2, 1), (3, 1), (3, 2)]), st.integers(0, 20).map(_at))


@given(st.lists(_SAID, max_size=8), _JOINED, st.randoms())
def test_the_order_in_which_statements_arrive_says_nothing(said, joined, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(said)
    random.shuffle(shuffled)
    for purpose in rules.PURPOSES:
        assert rules.state(purpose, shuffled, joined) == rules.state(purpose, said, joined)


@given(st.lists(_SAID, max_size=6), _JOINED)
def test_merging_never_allows_what_one_of_them_refused_last(said, joined) -> None:  # type: ignore[no-untyped-def]
    """Without a word after the merge, whatever any of them alone refuses stays refused."""
    late = {pair: _at(30) for pair in joined}
    merged = rules.state("marketing", said, late)
    for person in (1, 2, 3):
        alone = rules.state("marketing", [one for one in said if one.person_id == person], {})
        for channel, yes in alone.items():
            assert yes or not merged[channel]


@given(st.lists(_SAID, max_size=8), st.sampled_from(rules.CHANNELS), st.booleans())
def test_the_merged_persons_new_word_is_the_law(said, channel, granted) -> None:  # type: ignore[no-untyped-def]
    joined = {(2, 1): _at(21), (3, 1): _at(22)}
    state = rules.state("marketing", [*said, Said(1, channel, granted, _at(23))], joined)
    assert state[channel] is granted
    if channel == "any":
        assert set(state.values()) == {granted}


@pytest.mark.parametrize(
    "evidence", [{"name": "王小美"}, {"paper_no": {"phone": "13812345678"}}, {"paper_no": "x" * 129}]
)
def test_evidence_holds_numbers_of_papers_only(evidence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConsentInvalid):
        rules.check_statement(purpose="marketing", channel="any", source="till", evidence=evidence)


@pytest.mark.parametrize(("field", "reason"), [("openid", "客诉核实"), ("phone", " "), ("phone", "x" * 201)])
def test_a_reveal_names_a_field_and_a_reason(field: str, reason: str) -> None:
    with pytest.raises(RevealInvalid):
        rules.check_reveal(field, reason)
