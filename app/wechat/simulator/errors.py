"""What the simulated servers refuse, in Tencent's words."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    -1: "system busy",
    40001: "invalid credential",
    40003: "invalid userid",
    40004: "invalid media type",
    40007: "invalid media_id",
    40013: "invalid appid",
    40014: "invalid access_token",
    40029: "invalid code",
    40037: "invalid template_id",
    40050: "invalid chatid",
    40056: "invalid agentid",
    40058: "invalid Request Parameter",
    40063: "some parameters are empty",
    40068: "invalid tagid",
    40071: "tag name already exist",
    40091: "secret is invalid",
    40096: "invalid external userid",
    40097: "not resigned",
    40098: "takeover userid invalid",
    40099: "takeover user reached the customer limit",
    40100: "customer is being transferred",
    40125: "invalid appsecret",
    40128: "customer transferred too often",
    40129: "invalid scene",
    40163: "code been used",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    41038: "invalid contact way scene",
    41042: "invalid config_id",
    41044: "invalid config_id",
    41048: "no customer to send to",
    41050: "invalid welcome code",
    41051: "external user has started chatting",
    41054: "user not active or not verified",
    41063: "groupmsg task dispatching",
    41093: "groupmsg cancelled",
    41094: "groupmsg remind too often",
    42001: "access_token expired",
    42003: "code expired",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    44004: "empty content",
    45002: "content size out of limit",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    45035: "api conflict",
    47001: "data format error",
    47003: "argument invalid",
    48001: "api unauthorized",
    48002: "api forbidden",
    50001: "redirect_uri unauthorized",
    60011: "no privilege to access/modify contact/party/agent",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    60123: "invalid party id",
    81013: "all user & all party & all tag invalid",
    81017: "too many objects",
    84014: "user ticket invalid or expired",
    84061: "not external contact",
    84074: "user has no customer-contact permission",
    87009: "invalid signature",
    301002: "no permission",
    845001: "unionid and openid do not match",
}


class WireError(Exception):
    """An errcode answer. `extra` are further body keys, such as the empty list some list calls answer with."""

    def __init__(self, errcode: int, errmsg: str | None = None, **extra: Any) -> None:
        self.errcode = errcode
        self.errmsg = errmsg or MESSAGES.get(errcode, "error")
        self.extra = extra
        super().__init__(f"{errcode} {self.errmsg}")

    def body(self) -> dict[str, Any]:
        return {"errcode": self.errcode, "errmsg": self.errmsg, **self.extra}


class PayError(Exception):
    """A refusal of WeChat Pay: an HTTP status and a code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}")


class ControlError(Exception):
    """A control call that makes no sense: answered 4xx by the control API, never seen by the product."""

    def __init__(self, message: str, status: int = 422) -> None:
        self.message, self.status = message, status
        super().__init__(message)
