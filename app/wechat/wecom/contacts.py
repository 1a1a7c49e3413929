"""Customers and who follows them (WeCom docs, path/92113, 92114, 92117, 92994; id conversion path/95900)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import limits, reply
from ..errors import Rejected
from .topic import CONTACT, Topic


@dataclass(frozen=True)
class Follow:
    """One member of staff following one customer. Tags, remark and description belong to this pair."""

    userid: str
    remark: str
    description: str
    state: str | None
    add_way: int  # a number, not an enumeration: WeCom keeps adding ways
    created_at: datetime | None
    tag_ids: tuple[str, ...]  # corp and strategy tags; a member's personal tags have no id
    mobiles: tuple[str, ...]
    oper_userid: str | None


@dataclass(frozen=True)
class Contact:
    """A customer. `type` 1 WeChat user, 2 WeCom user; `gender` 0 unknown, 1 male, 2 female."""

    external_userid: str
    name: str
    avatar: str | None
    type: int
    gender: int
    unionid: str | None
    follows: tuple[Follow, ...]
    next_cursor: str | None = None  # more followers on another page (over 500)


@dataclass(frozen=True)
class ContactPage:
    """Customers of some members; a customer of two members appears twice, each time with one follow."""

    contacts: tuple[Contact, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ExternalId:
    """What WeCom knows of a mini-program user: a customer, or a pending id (90 days) until he becomes one."""

    external_userid: str | None
    pending_id: str | None


class Contacts(Topic):
    def contact(self, external_userid: str, *, cursor: str | None = None) -> Contact:
        """The customer; `Rejected` with reason `relation_gone` or `contact_unknown` when nobody follows him."""
        params = {"external_userid": external_userid} | ({"cursor": cursor} if cursor else {})
        answer = self.client.get(CONTACT + "get", **params)
        follows = tuple(_follow(entry) for entry in reply.objects(answer, "follow_user"))
        return _contact(reply.record(answer, "external_contact"), follows, reply.optional_text(answer, "next_cursor"))

    def contacts_of(self, userid: str) -> tuple[str, ...]:
        """The external userids of everybody this member follows."""
        try:
            answer = self.client.get(CONTACT + "list", userid=userid)
            return tuple(str(entry) for entry in reply.listing(answer, "external_userid"))
        except Rejected as error:
            if error.reason == "relation_gone":  # this call says so when the member has no customer at all
                return ()
            raise

    def contacts_by_users(self, userids: Sequence[str], *, cursor: str = "", limit: int = 100) -> ContactPage:
        """Customers with details, up to 100 members and 100 rows a page; walk until `next_cursor` is None."""
        limits.at_most_items(userids, 100, "userids")
        body = {"userid_list": list(userids), "cursor": cursor, "limit": min(limit, 100)}
        try:
            answer = self.client.post(CONTACT + "batch/get_by_user", body, repeatable=True)
        except Rejected as error:
            if error.reason == "relation_gone" and not cursor:  # none of the members has a customer
                return ContactPage((), None)
            raise
        contacts = tuple(
            _contact(reply.record(row, "external_contact"), (_follow(reply.record(row, "follow_info")),), None)
            for row in reply.listing(answer, "external_contact_list")
        )
        return ContactPage(contacts, reply.optional_text(answer, "next_cursor"))

    def follow_users(self) -> tuple[str, ...]:
        """The members who may have customers and are visible to this app."""
        answer = self.client.get(CONTACT + "get_follow_user_list")
        return tuple(str(entry) for entry in reply.listing(answer, "follow_user"))

    def remark(
        self,
        *,
        userid: str,
        external_userid: str,
        remark: str | None = None,
        description: str | None = None,
        mobiles: Sequence[str] | None = None,
    ) -> None:
        """Write what this member notes of this customer; what is None stays, `mobiles` replaces all numbers."""
        limits.at_most_characters(remark or "", 20, "remark")
        limits.at_most_characters(description or "", 150, "description")
        facts = {"remark": remark, "description": description, "remark_mobiles": mobiles and list(mobiles)}
        told = {name: value for name, value in facts.items() if value is not None}
        limits.present(told, "remark")
        self.client.post(
            CONTACT + "remark", {"userid": userid, "external_userid": external_userid, **told}, repeatable=True
        )

    def mark_tag(
        self, *, userid: str, external_userid: str, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Set and clear corp tags of one (member, customer) pair; calls for one pair must not run side by side."""
        limits.present(add or remove, "tags")
        body = {
            "userid": userid,
            "external_userid": external_userid,
            "add_tag": list(add),
            "remove_tag": list(remove),
        }
        self.client.post(CONTACT + "mark_tag", body, repeatable=True)

    def unionid_to_external_userid(self, *, unionid: str, openid: str) -> ExternalId:
        """Who this mini-program user is among the customers (verified corps, same legal subject)."""
        body = {"unionid": unionid, "openid": openid, "subject_type": 0}
        answer = self.client.post("/cgi-bin/idconvert/unionid_to_external_userid", body, repeatable=True)
        return ExternalId(reply.optional_text(answer, "external_userid"), reply.optional_text(answer, "pending_id"))

    def pending_ids(self, external_userids: Sequence[str], *, chat_id: str | None = None) -> dict[str, str]:
        """The pending ids (90 days) WeCom has given these customers before; who has none is missing. At most 100;
        `chat_id` where they are known from a group chat only.
        """
        limits.at_most_items(external_userids, 100, "external_userids")
        body = {"external_userid": list(external_userids)} | ({"chat_id": chat_id} if chat_id else {})
        answer = self.client.post("/cgi-bin/idconvert/batch/external_userid_to_pending_id", body, repeatable=True)
        rows = [row for row in reply.listing(answer, "result") if isinstance(row, dict) and row.get("pending_id")]
        return {reply.text(row, "external_userid"): reply.text(row, "pending_id") for row in rows}


def _contact(row: dict[str, Any], follows: tuple[Follow, ...], next_cursor: str | None) -> Contact:
    return Contact(
        external_userid=reply.text(row, "external_userid"),
        name=reply.optional_text(row, "name") or "",
        avatar=reply.optional_text(row, "avatar"),
        type=reply.number(row, "type", 1),
        gender=reply.number(row, "gender"),
        unionid=reply.optional_text(row, "unionid"),
        follows=follows,
        next_cursor=next_cursor,
    )


def _follow(row: dict[str, Any]) -> Follow:
    tags = tuple(tag["tag_id"] for tag in reply.objects(row, "tags") if tag.get("tag_id"))
    return Follow(
        userid=reply.text(row, "userid"),
        remark=reply.optional_text(row, "remark") or "",
        description=reply.optional_text(row, "description") or "",
        state=reply.optional_text(row, "state"),
        add_way=reply.number(row, "add_way"),
        created_at=reply.moment(row, "createtime"),
        tag_ids=tags or reply.texts(row, "tag_id"),  # the batch call gives bare ids
        mobiles=reply.texts(row, "remark_mobiles"),
        oper_userid=reply.optional_text(row, "oper_userid"),
    )
