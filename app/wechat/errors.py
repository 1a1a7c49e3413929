"""What the outside may do to us, as our own errors.

Above this package nobody looks at an errcode: a caller distinguishes the classes, and where a domain state depends on
it, `Rejected.reason` (`relation_gone`, `welcome_already_handled`, `not_subscribed`, ..; see `errcodes`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.core import errors as core


class WeChatError(core.SiyuError):
    code, status, message = "wechat_error", 502, "Tencent's server did not do what was asked."


class Unavailable(core.Unavailable):
    """Nothing happened, or the call may be repeated safely: try again after `retry_after` seconds."""

    code, message = "wechat_unavailable", "Tencent's server does not answer."


class AnswerIncomplete(Unavailable):
    """The answer says all is well and lacks the list it must hold; it is never read as an empty list."""

    code, message = "wechat_answer_incomplete", "The answer of Tencent's server lacks a part."


class Throttled(core.Retryable):
    """A quota is used up; this API of this account is paused until `until` (aware UTC)."""

    code, status, message = "wechat_throttled", 503, "Tencent's quota for this call is used up for now."

    def __init__(self, message: str | None = None, *, until: datetime, retry_after: float, **data: Any) -> None:
        super().__init__(message, retry_after=retry_after, **data)
        self.until = until


class UnknownOutcome(WeChatError):
    """The call may or may not have taken effect: record it as unknown and reconcile, never send it again blindly."""

    code, message = "wechat_unknown_outcome", "It is not known whether Tencent's server carried out the call."


class Rejected(WeChatError):
    """Refused for a reason that repeating will not change. `errcode` is for logs, `reason` for decisions."""

    code, message = "wechat_rejected", "Tencent's server refused the call."

    def __init__(
        self, message: str | None = None, *, errcode: int, reason: str, final: bool = True, **data: Any
    ) -> None:
        super().__init__(message, errcode=errcode, reason=reason, **data)
        self.errcode, self.reason, self.final = errcode, reason, final


class Misconfigured(core.Retryable):
    """A secret, permission or trusted address is wrong and a person has to act. Nothing happened; work that met this
    waits and is tried again, at most once a minute, as repeated wrong secrets get an address banned."""

    code, message = "wechat_misconfigured", "The WeChat account is not configured correctly."

    def __init__(self, message: str | None = None, *, errcode: int = 0, reason: str = "", **data: Any) -> None:
        super().__init__(message, retry_after=60, errcode=errcode, reason=reason, **data)
        self.errcode, self.reason = errcode, reason


class TokenRefused(WeChatError):
    """The access token in use is no longer accepted; handled inside this package by one refresh and one repetition."""

    code, message = "wechat_token_refused", "The access token was refused."


class MessageInvalid(core.Invalid):
    """Content that Tencent would refuse, found before sending. data: field, limit."""

    code, message = "wechat_message_invalid", "The message does not meet the platform's limits."


class LoginCodeInvalid(core.Unauthorized):
    code, message = "login_code_invalid", "The login code is wrong or has expired."


class LoginCodeUsed(core.Unauthorized):
    code, message = "login_code_used", "The login code has been used already."


class LoginBlocked(core.Forbidden):
    code, message = "login_blocked", "WeChat has blocked this user as high risk."


class SnapshotUser(core.Forbidden):
    """WeChat shows the page as a snapshot (快照页) and gave a made-up openid: nobody must become a member by it."""

    code, message = "snapshot_user", "WeChat shows a preview of the page; open it in full to log in."


class PhoneCodeInvalid(core.Invalid):
    code, message = "phone_code_invalid", "The phone code is wrong, used or expired."


class PhoneCodeForeign(core.Forbidden):
    code, message = "phone_code_foreign", "The phone code belongs to another user or mini-program."


class UserDataInvalid(core.Invalid):
    code, message = "user_data_invalid", "The encrypted user data cannot be verified; log in again."


class CallbackSignature(core.SiyuError):
    code, status, message = "callback_signature", 403, "The callback's signature is wrong."


class CallbackReceiver(core.SiyuError):
    code, status, message = "callback_receiver", 403, "The callback is meant for another receiver."


class CallbackStale(core.SiyuError):
    code, status, message = "callback_stale", 403, "The callback's timestamp is too far from the present."


class CallbackMalformed(core.SiyuError):
    code, status, message = "callback_malformed", 400, "The callback cannot be read."


class CallbackTooLarge(core.TooLarge):
    code, message = "callback_too_large", "The callback's body is too large."
