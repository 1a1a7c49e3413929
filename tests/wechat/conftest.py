"""Gateways over a real Redis, with the wire answered by `responses`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from app.wechat.accounts import MiniProgram, WeComApp
from app.wechat.client import Wire
from app.wechat.miniprogram import MiniProgramGateway
from app.wechat.wecom import WeCom

WECOM_BASE = "https://wecom.test"
WEIXIN_BASE = "https://weixin.test"
CORP = WeComApp(corp_id="wwcorp", agent_id=1000002, secret="corp-secret-value", api_base=WECOM_BASE)
MINI = MiniProgram(appid="wxmini", secret="mini-secret-value", api_base=WEIXIN_BASE)


@pytest.fixture
def corp() -> WeComApp:
    return CORP


@pytest.fixture
def naps() -> list[float]:
    """The seconds the code wanted to sleep."""
    return []


@pytest.fixture
def wire(redis, naps) -> Wire:
    return Wire(redis, sleep=naps.append)


@pytest.fixture
def wecom(wire) -> WeCom:
    return WeCom(CORP, wire)


@pytest.fixture
def mini(wire) -> MiniProgramGateway:
    return MiniProgramGateway(MINI, wire)


class Tencent:
    """The far end: scripted answers, and what was asked."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.mock = mock

    def answers(self, path: str, *bodies: dict | bytes | Exception, status: int = 200) -> None:
        """The answers to `path`, one per call; the last one stays."""
        base = WEIXIN_BASE if path.startswith("mp:") else WECOM_BASE
        url = base + path.removeprefix("mp:")
        method = responses.GET if path.removeprefix("mp:") in _GETS else responses.POST
        for body in bodies:
            if isinstance(body, dict):
                self.mock.add(method, url, json=body, status=status)
            else:
                self.mock.add(method, url, body=body, status=status)

    def token(self, *values: str, expires_in: int = 7200) -> None:
        self.answers(
            "/cgi-bin/gettoken", *({"errcode": 0, "access_token": v, "expires_in": expires_in} for v in values)
        )

    def mini_token(self, *values: str) -> None:
        self.answers("mp:/cgi-bin/stable_token", *({"access_token": v, "expires_in": 7200} for v in values))

    def calls(self, path: str) -> list:
        return [call.request for call in self.mock.calls if call.request.url.split("?")[0].endswith(path)]


_GETS = {
    "/cgi-bin/gettoken",
    "/cgi-bin/get_jsapi_ticket",
    "/cgi-bin/ticket/get",
    "/cgi-bin/auth/getuserinfo",
    "/cgi-bin/externalcontact/get",
    "/cgi-bin/externalcontact/list",
    "/cgi-bin/externalcontact/get_follow_user_list",
    "/cgi-bin/department/list",
    "/cgi-bin/user/list",
    "/cgi-bin/user/get",
    "/sns/jscode2session",
}


@pytest.fixture
def tencent() -> Iterator[Tencent]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Tencent(mock)
