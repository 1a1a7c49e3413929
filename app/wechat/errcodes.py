"""Tencent's errcodes, sorted by what can be done about them.

transient: nothing happened, try again in a moment. token: the access token is stale. quota: wait for the window's end.
config: a person has to act. final: repeating will not help; the reason tells a domain what it means.
The same number may differ between WeCom and mini-programs (40001).
Sources: the WeCom global errcode list (2024-04-08) and the mini-program server API reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Platform = Literal["wecom", "weixin"]
Kind = Literal["transient", "token", "quota", "config", "final"]


@dataclass(frozen=True)
class Verdict:
    kind: Kind
    reason: str


def classify(platform: Platform, errcode: int) -> Verdict:
    """What `errcode` of `platform` means; a code we do not know is final, because repeating it is a guess."""
    return _TABLES[platform].get(errcode, Verdict("final", "unknown"))


def _table(rows: dict[Kind, dict[int, str]]) -> dict[int, Verdict]:
    return {errcode: Verdict(kind, reason) for kind, codes in rows.items() for errcode, reason in codes.items()}


_WECOM = _table(
    {
        "transient": {
            -1: "busy",
            6000: "concurrent_change",
            41063: "mass_send_dispatching",
            41078: "moment_jobs_running",
            41079: "moment_dispatching",
            41096: "welcome_in_flight",
            45033: "too_many_concurrent",
            45035: "concurrent_write",
        },
        "token": {40014: "token_invalid", 42001: "token_expired"},
        "quota": {45009: "rate_limit"},
        "config": {
            40001: "secret_wrong",
            40013: "corp_id_wrong",
            40056: "agent_id_wrong",
            40091: "secret_of_another_corp",
            40093: "jsapi_signature_wrong",
            41001: "token_missing",
            41004: "secret_missing",
            41057: "developer_id_not_bound",
            42012: "ticket_of_another_app",
            48002: "api_forbidden",
            48004: "authorisation_cancelled",
            48005: "api_retired",
            48006: "permission_withdrawn",
            48009: "contact_sync_blocked",
            50001: "redirect_domain_not_trusted",
            50002: "member_out_of_range",
            50003: "app_disabled",
            60020: "ip_not_trusted",
            91040: "ticket_type_wrong",
            301002: "token_of_another_app",
            301042: "ip_not_trusted",
        },
        "final": {
            40003: "user_unknown",
            40004: "media_type",
            40005: "file_type",
            40006: "file_size",
            40007: "media_expired",
            40008: "message_type",
            40029: "code_invalid",
            40058: "parameter",
            40050: "chat_unknown",
            40066: "department_list",
            40068: "tag_unknown",
            40071: "tag_exists",
            40096: "contact_unknown",
            40097: "member_not_left",
            40098: "member_not_verified",
            40099: "takeover_at_limit",
            40100: "transfer_running",
            40126: "tag_limit",
            40128: "transfer_limit",
            40129: "transfer_running",
            40130: "same_owner",
            40131: "not_the_follower",
            40143: "transfer_banned",
            41037: "contact_way_type_missing",
            41038: "contact_way_scene_missing",
            41039: "contact_way_type",
            41040: "contact_way_scene",
            41041: "contact_way_members",
            41042: "contact_way_style",
            41043: "contact_way_id_missing",
            41044: "contact_way_unknown",
            41045: "contact_way_limit",
            41048: "no_sendable_customer",
            41049: "welcome_code_missing",
            41050: "welcome_code_expired",
            41051: "welcome_already_handled",
            41053: "archive_consent_missing",
            41054: "member_inactive",
            41058: "welcome_template_foreign",
            41059: "moment_missing",
            41060: "moment_unknown",
            41061: "moment_foreign",
            41062: "moment_unpublished",
            41064: "too_many_attachments",
            41065: "attachment_type",
            41089: "moment_empty",
            41093: "mass_send_cancelled",
            41094: "reminder_limit",
            41095: "acquisition_link_limit",
            42003: "code_expired",
            42016: "card_task_unknown",
            42017: "card_button_unknown",
            42018: "card_button_invalid",
            42019: "card_button_missing",
            42022: "code_used",
            42052: "recall_too_late",
            43004: "not_bound_to_wechat",
            45001: "media_too_large",
            45002: "message_too_long",
            45008: "too_many_articles",
            45029: "response_too_large",
            49008: "chat_dismissed",
            60011: "out_of_scope",
            60111: "user_unknown",
            60123: "department_unknown",
            60140: "card_response_expired",
            81013: "receivers_invalid",
            81017: "too_many_objects",
            82001: "receivers_missing",
            82002: "too_many_departments",
            82003: "too_many_tags",
            84014: "user_ticket_expired",
            84015: "user_ticket_invalid",
            84061: "relation_gone",
            84074: "member_without_contact_right",
            84084: "not_the_follower",
            86001: "chat_unknown",
            90201: "notice_too_many_items",
            90202: "notice_key_length",
            90203: "notice_value_length",
            90204: "notice_page",
            90207: "notice_appid",
            90208: "notice_appid_not_linked",
            610014: "unionid_invalid",
            610017: "subject_mismatch",
            610018: "openid_unionid_mismatch",
            701008: "user_unlicensed",
            845001: "openid_unknown",
            845002: "subject_mismatch",
            845003: "subject_mismatch",
        },
    }
)

_WEIXIN = _table(
    {
        "transient": {-1: "busy", 43108: "concurrent_send"},
        "token": {40001: "token_replaced", 40014: "token_invalid", 42001: "token_expired"},
        "quota": {
            44990: "rate_limit",
            44991: "rate_limit",
            44993: "daily_limit",
            45009: "rate_limit",
            45011: "user_minute_limit",
            85406: "daily_limit",
        },
        "config": {
            40013: "appid_wrong",
            40125: "secret_wrong",
            40164: "ip_not_trusted",
            40243: "secret_frozen",
            41002: "appid_missing",
            41004: "secret_missing",
            43002: "must_post",
            48001: "api_forbidden",
            50004: "token_api_disabled",
            50007: "account_frozen",
            89503: "ip_needs_confirmation",
            89506: "ip_rejected",
            89507: "ip_awaiting_confirmation",
        },
        "final": {
            40002: "grant_type",
            40003: "openid_unknown",
            40029: "code_invalid",
            40030: "refresh_token_invalid",
            40037: "template_unknown",
            40097: "parameter",
            40129: "scene_invalid",
            40163: "code_used",
            40165: "page_invalid",
            40169: "scene_too_long",
            40212: "query_invalid",
            40226: "user_blocked",
            41030: "page_not_released",
            43101: "not_subscribed",
            43104: "openid_of_another_app",
            43107: "subscribe_banned",
            45029: "code_limit",
            45168: "sensitive_word",
            47001: "json_invalid",
            47003: "template_data_invalid",
            61010: "user_not_recent",
            85079: "not_released",
            85096: "parameter",
            85401: "expiry_range",
            87007: "session_missing",
            87008: "signature_method",
            87009: "signature_invalid",
            87014: "risky_content",
            87020: "duplicate_check",
        },
    }
)

_TABLES: dict[Platform, dict[int, Verdict]] = {"wecom": _WECOM, "weixin": _WEIXIN}
