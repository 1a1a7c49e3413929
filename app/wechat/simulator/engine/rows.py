"""The rows of the simulated world. They hold JSON-safe values only, so that a store can save them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Corp:
    corp_id: str
    name: str = ""
    monthly_receive_cap: int = 0  # 0 = as many mass messages as the month has days (Tencent's default)
    dispatch_seconds: int = 0  # how long get_groupmsg_task answers 41063 after a mass message was created


@dataclass
class App:
    corp_id: str
    agent_id: int
    secret: str
    name: str = ""
    visible: list[str] | None = None  # userids in the app's visible range; None = everybody
    trusted_domains: list[str] | None = None  # OAuth redirect hosts; None = any (else 50001)


@dataclass
class MiniProgram:
    appid: str
    secret: str
    original_id: str = ""
    name: str = ""
    platform: str | None = "open"  # Open Platform account; None = not bound, so no unionid
    kind: str = "mini"  # or "official": an official account (公众号), which has web logins and followers


@dataclass
class Target:
    """Where callbacks of one receiver (corp id or appid) go, and how Tencent was told to seal them."""

    receiver: str
    url: str
    token: str
    aes_key: str
    format: str = "xml"
    agent_id: int | None = None


@dataclass
class Department:
    corp_id: str
    id: int
    name: str
    parentid: int = 1
    order: int = 0
    leaders: list[str] = field(default_factory=list)


@dataclass
class Staff:
    corp_id: str
    userid: str
    name: str
    departments: list[int] = field(default_factory=lambda: [1])
    position: str = ""
    status: int = 1  # 1 active, 2 disabled, 4 not activated, 5 left
    can_contact: bool = True
    avatar: str = ""
    console_welcome: bool = False  # a welcome message set in the console: events then carry no WelcomeCode
    left_at: int = 0


@dataclass
class Customer:
    id: str
    name: str
    avatar: str = ""
    gender: int = 0
    phone: str | None = None
    unionid: str | None = None
    openids: dict[str, str] = field(default_factory=dict)  # appid -> openid
    external_userids: dict[str, str] = field(default_factory=dict)  # corp id -> external_userid


@dataclass
class Follow:
    corp_id: str
    userid: str
    external_userid: str
    customer: str
    createtime: int
    state: str | None = None
    remark: str = ""
    description: str = ""
    remark_corp_name: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    add_way: int = 1
    lost: bool = False  # the customer deleted the member: the member still sees the customer, messages do not arrive
    last_chat: float = 0.0


@dataclass
class Pending:
    """A pending id: what the corp is told of a mini-program user nobody follows yet. It lives 90 days."""

    corp_id: str
    pending_id: str
    external_userid: str
    issued: float


@dataclass
class Chat:
    """A customer group; `members` by userid or external userid: {type, join_time, join_scene, ..} as the API shows."""

    corp_id: str
    chat_id: str
    name: str
    owner: str
    create_time: int
    notice: str = ""
    member_version: str = ""
    admins: list[str] = field(default_factory=list)
    members: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class TagGroup:
    corp_id: str
    group_id: str
    group_name: str
    create_time: int
    order: int = 0
    tags: list[dict[str, Any]] = field(default_factory=list)  # {id, name, create_time, order}


@dataclass
class ContactWay:
    corp_id: str
    config_id: str
    type: int
    scene: int
    created: int
    style: int = 0
    remark: str = ""
    skip_verify: bool = True
    state: str = ""
    user: list[str] = field(default_factory=list)
    party: list[int] = field(default_factory=list)
    is_exclusive: bool = False


@dataclass
class Token:
    """An access token or a JS-SDK ticket."""

    value: str
    kind: str  # wecom | mini | jsapi | agent
    owner: str  # corp id or appid
    agent_id: int | None
    expires_at: float
    current: bool = True
    forced: list[float] = field(default_factory=list)


@dataclass
class Code:
    """A one-time code: login, phone, oauth, ticket (OAuth user ticket) or welcome."""

    value: str
    kind: str
    receiver: str  # corp id or appid it was issued for
    subject: str  # customer id or userid
    expires_at: float
    used_at: float | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Sent:
    """Something that reached a phone: kind welcome | app | subscribe | chat | mass."""

    seq: int
    kind: str
    time: float
    receiver: str  # corp id or appid it was sent through
    to: str  # userid (app) or external_userid / openid
    sender: str  # userid, or "" for a server message
    content: dict[str, Any]
    dropped: bool = False


@dataclass
class MassMessage:
    corp_id: str
    msgid: str
    creator: str
    create_time: int
    content: dict[str, Any]
    tasks: dict[str, dict[str, Any]]  # userid -> {status 0|2, send_time, targets: {external_userid: [status, time]}}
    cancelled: bool = False
    reminders: list[float] = field(default_factory=list)


@dataclass
class Transfer:
    corp_id: str
    external_userid: str
    handover: str
    takeover: str
    created: int
    resigned: bool = False
    status: int = 2  # 1 done, 2 waiting, 3 refused by the customer, 4 takeover at its limit
    takeover_time: int = 0


@dataclass
class Media:
    media_id: str
    owner: str
    type: str
    filename: str
    content_type: str
    size: int
    created: int


@dataclass
class PayBrand:
    """A brand at WeChat Pay: its API certificate by the public key, WeChat Pay's own key, and where notices go."""

    brand_id: str
    serial_no: str
    public_key: str
    platform_key: str
    platform_id: str
    api_v3_key: str
    notify_url: str = ""
    audits: bool = False  # new stocks wait until somebody approves them


@dataclass
class PayStock:
    stock_id: str
    product_id: str
    brand_id: str
    request_no: str
    state: str
    most: int
    most_per_user: int
    code_mode: str
    period: dict[str, Any]
    name: str = ""


@dataclass
class PayCoupon:
    """A user's product coupon; `done` are the request numbers that were carried out."""

    code: str
    brand_id: str
    product_id: str
    stock_id: str
    appid: str
    openid: str
    state: str
    received: float
    valid_to: float
    send_request_no: str | None = None
    confirmed: float | None = None
    used: float | None = None
    use_request_no: str | None = None
    order_no: str | None = None
    returned: float | None = None
    deactivated: float | None = None
    done: list[str] = field(default_factory=list)


@dataclass
class Meta:
    """One small JSON value: clock offset, sequence, subscriptions and the like."""

    key: str
    value: Any
