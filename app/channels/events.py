"""What happened between customers and guides. `at` is Tencent's moment, in epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class CustomerAdded(Event):
    """A customer added a guide. `welcome_code` lives 20 seconds from `at`; None when there is nothing to answer.

    `guide_id` is None when the member of staff is no guide of ours; `new` is False when a half-added contact became
    a whole one and only the welcome code is news.
    """

    name = "channels.customer_added"

    corp_id: str
    userid: str
    external_userid: str
    at: int
    welcome_code: str | None = None
    state: str | None = None
    guide_id: int | None = None
    store_id: int | None = None
    new: bool = True


@dataclass(frozen=True, kw_only=True)
class CustomerLost(Event):
    """A relation ended: `by` is customer (one-way, the guide still sees them) or guide (gone); `transferred`: the
    customer went to another guide.
    """

    name = "channels.customer_lost"

    corp_id: str
    userid: str
    external_userid: str
    at: int
    by: str
    transferred: bool = False


@dataclass(frozen=True, kw_only=True)
class TransferFailed(Event):
    """A customer was to go to the guide `userid` and did not: `reason` customer_refused or customer_limit_exceed."""

    name = "channels.transfer_failed"

    corp_id: str
    userid: str
    external_userid: str
    at: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ContactFetched(Event):
    """Name and union id of a customer are known now; `person_id` is who it is after linking."""

    name = "channels.contact_fetched"

    corp_id: str
    external_userid: str


@dataclass(frozen=True, kw_only=True)
class FollowTagsChanged(Event):
    """Corp tags (their ids) that one member of staff gave a customer or took away."""

    name = "channels.follow_tags_changed"

    corp_id: str
    userid: str
    external_userid: str
    added: list[str]
    removed: list[str]


@dataclass(frozen=True, kw_only=True)
class CorpTagsDropped(Event):
    """Tags left the corp's library, and with it every customer who bore them."""

    name = "channels.corp_tags_dropped"

    corp_id: str
    tag_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class RefreshWanted(Event):
    """Something of WeCom changed, and what it is now must be asked. `kind` and `key` as in `channels.refresh`."""

    name = "channels.refresh_wanted"

    corp_id: str
    kind: str
    key: str


@dataclass(frozen=True, kw_only=True)
class OfficialFollowed(Event):
    """A user follows the official account; `scene` is the parameter of the QR code that brought them."""

    name = "channels.official_followed"

    appid: str
    openid: str
    at: int
    scene: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfficialUnfollowed(Event):
    """A user left the official account."""

    name = "channels.official_unfollowed"

    appid: str
    openid: str
    at: int


@dataclass(frozen=True, kw_only=True)
class AuthorizationRevoked(Event):
    """A mini-program user took data back or changed it: what WeChat gave us of it must go. `revoke_info` are WeChat's
    numbers (1 chat, 201 phone, 202 address, 204 location, ..); empty with `kind` user_info_modified.
    """

    name = "channels.authorization_revoked"

    appid: str
    openid: str
    kind: str
    revoke_info: list[str]
    at: int
