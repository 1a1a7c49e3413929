"""Ways to a member of staff: contact ways (渠道活码; WeCom docs, path/92228) and customer acquisition links (获客链接;
path/97297).

Creating one is not repeatable: every call makes another, and one whose id was lost can be neither changed nor deleted.
A lost answer ends as UnknownOutcome; look for the state among `contact_way_ids` before asking again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .. import limits, reply
from .topic import CONTACT, Topic

MAX_STATE, MAX_REMARK, MAX_USERS, MAX_LINK_USERS, MAX_CHANNEL_BYTES = 30, 30, 100, 500, 64

_SEVERAL, _QR = 2, 2  # `type` 2: several members; a way made for one (type 1) could never get a second. `scene` 2: QR
_LINKS = CONTACT + "customer_acquisition/"


@dataclass(frozen=True)
class ContactWay:
    """`qr_code` is the address of its picture; `remark` and `state` are what it was made with."""

    config_id: str
    state: str
    remark: str
    qr_code: str
    users: tuple[str, ...]
    skip_verify: bool


@dataclass(frozen=True)
class AcquisitionLink:
    link_id: str
    name: str
    url: str
    users: tuple[str, ...]
    skip_verify: bool

    def with_channel(self, state: str) -> str:
        """The address to hand out: `state` comes back with the customer (at most 64 bytes)."""
        limits.at_most_bytes(quote(state, safe=""), MAX_CHANNEL_BYTES, "state")
        return f"{self.url}{'&' if '?' in self.url else '?'}customer_channel={quote(state, safe='')}"


@dataclass(frozen=True)
class IdPage:
    """Ids only; walk until `next_cursor` is None."""

    ids: tuple[str, ...]
    next_cursor: str | None


class Ways(Topic):
    def add_contact_way(self, *, users: Sequence[str], state: str, remark: str, skip_verify: bool) -> ContactWay:
        """Make a QR code that leads to one of up to 100 members. `Rejected` reasons: contact_way_limit,
        member_inactive, member_without_contact_right, user_unknown.
        """
        body = _way(users, state, remark, skip_verify) | {"type": _SEVERAL, "scene": _QR}
        answer = self.client.post(CONTACT + "add_contact_way", body)
        return ContactWay(
            config_id=reply.text(answer, "config_id"),
            state=state,
            remark=remark,
            qr_code=reply.optional_text(answer, "qr_code") or "",
            users=tuple(users),
            skip_verify=skip_verify,
        )

    def contact_way(self, config_id: str) -> ContactWay:
        """The contact way; `Rejected` with reason `contact_way_unknown` when it was deleted."""
        answer = self.client.post(CONTACT + "get_contact_way", {"config_id": config_id}, repeatable=True)
        row = reply.record(answer, "contact_way")
        return ContactWay(
            config_id=reply.text(row, "config_id"),
            state=reply.optional_text(row, "state") or "",
            remark=reply.optional_text(row, "remark") or "",
            qr_code=reply.optional_text(row, "qr_code") or "",
            users=reply.texts(row, "user"),
            skip_verify=row.get("skip_verify") is True,
        )

    def update_contact_way(
        self, config_id: str, *, users: Sequence[str], state: str, remark: str, skip_verify: bool
    ) -> None:
        """Overwrite members, state, remark and consent; the QR code stays. Repeating it changes nothing."""
        body = _way(users, state, remark, skip_verify) | {"config_id": config_id}
        self.client.post(CONTACT + "update_contact_way", body, repeatable=True)

    def delete_contact_way(self, config_id: str) -> None:
        """Delete it for good: its printed QR codes lead nowhere from now on."""
        self.client.post(CONTACT + "del_contact_way", {"config_id": config_id}, repeatable=True)

    def contact_way_ids(self, *, since: datetime, cursor: str = "", limit: int = 100) -> IdPage:
        """Contact ways made since a moment (at most 90 days back), without what they are."""
        body = {"start_time": int(since.timestamp()), "cursor": cursor, "limit": limit}
        answer = self.client.post(CONTACT + "list_contact_way", body, repeatable=True)
        found = tuple(reply.text(row, "config_id") for row in reply.listing(answer, "contact_way"))
        return IdPage(found, reply.optional_text(answer, "next_cursor"))

    def create_link(self, *, name: str, users: Sequence[str], skip_verify: bool) -> AcquisitionLink:
        """Make a paid link to up to 500 members; `Rejected` with reason `acquisition_link_limit` at the cap."""
        answer = self.client.post(_LINKS + "create_link", _link(name, users, skip_verify))
        row = reply.record(answer, "link")
        return AcquisitionLink(
            reply.text(row, "link_id"), name, reply.optional_text(row, "url") or "", tuple(users), skip_verify
        )

    def link(self, link_id: str) -> AcquisitionLink:
        answer = self.client.post(_LINKS + "get", {"link_id": link_id}, repeatable=True)
        row = reply.record(answer, "link")
        return AcquisitionLink(
            link_id=link_id,
            name=reply.optional_text(row, "link_name") or "",
            url=reply.text(row, "url"),
            users=reply.texts(reply.record(answer, "range"), "user_list"),
            skip_verify=row.get("skip_verify") is True,
        )

    def update_link(self, link_id: str, *, name: str, users: Sequence[str], skip_verify: bool) -> None:
        self.client.post(
            _LINKS + "update_link", _link(name, users, skip_verify) | {"link_id": link_id}, repeatable=True
        )

    def delete_link(self, link_id: str) -> None:
        self.client.post(_LINKS + "delete_link", {"link_id": link_id}, repeatable=True)

    def link_ids(self, *, cursor: str = "", limit: int = 100) -> IdPage:
        answer = self.client.post(_LINKS + "list_link", {"cursor": cursor, "limit": limit}, repeatable=True)
        found = tuple(str(entry) for entry in reply.listing(answer, "link_id_list"))
        return IdPage(found, reply.optional_text(answer, "next_cursor"))


def _way(users: Sequence[str], state: str, remark: str, skip_verify: bool) -> dict[str, Any]:
    limits.present(users, "users")
    limits.at_most_items(users, MAX_USERS, "users")
    limits.present(state, "state")
    limits.at_most_characters(state, MAX_STATE, "state")
    limits.at_most_characters(remark, MAX_REMARK, "remark")
    return {"user": list(users), "state": state, "remark": remark, "skip_verify": skip_verify}


def _link(name: str, users: Sequence[str], skip_verify: bool) -> dict[str, Any]:
    limits.present(name, "name")
    limits.present(users, "users")
    limits.at_most_items(users, MAX_LINK_USERS, "users")
    limits.at_most_characters(name, MAX_REMARK, "name")
    return {"link_name": name, "range": {"user_list": list(users)}, "skip_verify": skip_verify}
