"""Contact ways and acquisition links: limits before sending, ids that are never lost, refusals by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests

from app.core.errors import SiyuError
from app.wechat.errors import MessageInvalid, Misconfigured, Rejected, Throttled, Unavailable, UnknownOutcome

CONTACT = "/cgi-bin/externalcontact/"
WAY = {"users": ["g1"], "state": "s1", "remark": "门店码", "skip_verify": True}
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def token(tencent) -> None:
    tencent.token("T")


def test_a_way_is_made_for_several_members_and_its_id_kept(wecom, tencent) -> None:
    tencent.answers(
        CONTACT + "add_contact_way",
        {"errcode": 0, "errmsg": "ok", "config_id": "c1", "qr_code": "https://p.qpic.cn/x/0"},
    )
    way = wecom.add_contact_way(**WAY)
    assert (way.config_id, way.qr_code, way.state) == ("c1", "https://p.qpic.cn/x/0", "s1")
    (call,) = tencent.calls("add_contact_way")
    body = json.loads(call.body)
    assert body == {
        "type": 2,
        "scene": 2,
        "user": ["g1"],
        "state": "s1",
        "remark": "门店码",
        "skip_verify": True,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"users": []},
        {"users": [f"g{n}" for n in range(101)]},
        {"state": ""},
        {"state": "s" * 31},
        {"remark": "备" * 31},
    ],
)
def test_what_wecom_would_refuse_is_not_sent(wecom, tencent, changes) -> None:
    with pytest.raises(MessageInvalid):
        wecom.add_contact_way(**(WAY | changes))
    assert not tencent.calls("add_contact_way")


@pytest.mark.parametrize(
    ("errcode", "error", "reason"),
    [
        (41037, Rejected, "contact_way_type_missing"),
        (41041, Rejected, "contact_way_members"),
        (41045, Rejected, "contact_way_limit"),
        (41054, Rejected, "member_inactive"),
        (84074, Rejected, "member_without_contact_right"),
        (40098, Rejected, "member_not_verified"),
        (48002, Misconfigured, "api_forbidden"),
        (45009, Throttled, None),
        (-1, Unavailable, None),
        (99999, Rejected, "unknown"),
    ],
)
def test_refusals_have_names(wecom, tencent, errcode, error, reason) -> None:
    tencent.answers(CONTACT + "add_contact_way", {"errcode": errcode, "errmsg": "no", "config_id": ""})
    with pytest.raises(error) as refused:
        wecom.add_contact_way(**WAY)
    assert reason is None or refused.value.reason == reason
    assert len(tencent.calls("add_contact_way")) == 1


@pytest.mark.parametrize("answer", [requests.ReadTimeout("x"), b"<html>502</html>"])
def test_a_lost_answer_of_a_creation_is_not_tried_again(wecom, tencent, answer) -> None:
    tencent.answers(CONTACT + "add_contact_way", answer)
    with pytest.raises(UnknownOutcome):
        wecom.add_contact_way(**WAY)
    assert len(tencent.calls("add_contact_way")) == 1


def test_an_answer_without_an_id_is_no_success(wecom, tencent) -> None:
    tencent.answers(CONTACT + "add_contact_way", {"errcode": 0, "errmsg": "ok"})
    with pytest.raises(SiyuError):
        wecom.add_contact_way(**WAY)


def test_reading_updating_and_deleting_may_be_repeated(wecom, tencent) -> None:
    shown = {
        "config_id": "c1",
        "type": 2,
        "scene": 2,
        "state": "s1",
        "remark": "门店码",
        "qr_code": "https://p.qpic.cn/x/0",
        "user": ["g1", "g2"],
        "skip_verify": True,
    }
    busy = {"errcode": -1, "errmsg": "busy"}
    tencent.answers(CONTACT + "get_contact_way", busy, {"errcode": 0, "contact_way": shown})
    tencent.answers(CONTACT + "update_contact_way", busy, {"errcode": 0})
    tencent.answers(CONTACT + "del_contact_way", busy, {"errcode": 41044, "errmsg": "gone"})
    way = wecom.contact_way("c1")
    assert (way.users, way.state, way.skip_verify) == (("g1", "g2"), "s1", True)
    wecom.update_contact_way("c1", **WAY)
    assert json.loads(tencent.calls("update_contact_way")[-1].body)["config_id"] == "c1"
    with pytest.raises(Rejected) as refused:
        wecom.delete_contact_way("c1")
    assert refused.value.reason == "contact_way_unknown"


def test_ids_come_in_pages_and_an_error_is_no_empty_list(wecom, tencent) -> None:
    tencent.answers(
        CONTACT + "list_contact_way",
        {"errcode": 0, "contact_way": [{"config_id": "a"}, {"config_id": "b"}], "next_cursor": "N"},
        {"errcode": 0, "contact_way": [], "next_cursor": ""},
        {"errcode": 48002, "errmsg": "no", "contact_way": []},
        {"errcode": 0, "errmsg": "ok"},
    )
    first = wecom.contact_way_ids(since=SINCE)
    assert (first.ids, first.next_cursor) == (("a", "b"), "N")
    assert json.loads(tencent.calls("list_contact_way")[0].body)["start_time"] == int(SINCE.timestamp())
    last = wecom.contact_way_ids(since=SINCE, cursor="N")
    assert (last.ids, last.next_cursor) == ((), None)
    with pytest.raises(Misconfigured):
        wecom.contact_way_ids(since=SINCE)
    with pytest.raises(SiyuError):
        wecom.contact_way_ids(since=SINCE)


def test_links(wecom, tencent) -> None:
    base = CONTACT + "customer_acquisition/"
    url = "https://work.weixin.qq.com/ca/xxxxxx"
    tencent.answers(
        base + "create_link",
        {"errcode": 0, "link": {"link_id": "L1", "link_name": "n", "url": url, "create_time": 1667232000}},
        {"errcode": 41095, "errmsg": "cap"},
        requests.ReadTimeout("x"),
    )
    tencent.answers(
        base + "get",
        {"errcode": 0, "link": {"link_name": "n", "url": url, "skip_verify": True}, "range": {"user_list": ["a"]}},
    )
    tencent.answers(base + "list_link", {"errcode": 0, "link_id_list": ["L1", "L2"], "next_cursor": ""})
    link = wecom.create_link(name="n", users=["a"], skip_verify=True)
    assert link.with_channel("s 1&2") == f"{url}?customer_channel=s%201%262"
    with pytest.raises(MessageInvalid):
        link.with_channel("渠" * 8)  # 72 bytes once it stands in an address
    with pytest.raises(Rejected) as refused:
        wecom.create_link(name="n", users=["a"], skip_verify=True)
    assert refused.value.reason == "acquisition_link_limit"
    with pytest.raises(UnknownOutcome):
        wecom.create_link(name="n", users=["a"], skip_verify=True)
    found = wecom.link("L1")
    assert (found.link_id, found.users, found.url) == ("L1", ("a",), url)
    assert wecom.link_ids().ids == ("L1", "L2")
    for name, users in (("", ["a"]), ("n" * 31, ["a"]), ("n", []), ("n", ["a"] * 501)):
        with pytest.raises(MessageInvalid):
            wecom.create_link(name=name, users=users, skip_verify=True)
