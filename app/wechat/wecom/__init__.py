"""The gateway to one self-built WeCom application: `WeCom(app, wire)`.

Flat on purpose, `wecom.contact(..)` and `wecom.send_welcome(..)`; the topics live in one module each.
"""

from ..accounts import WeComApp
from ..client import WeComClient, Wire
from .contacts import Contact, ContactPage, Contacts, ExternalId, Follow
from .directory import Department, Directory, Staff, UserIdPage
from .groups import ChatMember, ChatPage, GroupChat, Groups, ListedChat
from .messages import (
    File,
    Image,
    Link,
    MassMember,
    MassReceiver,
    MassSend,
    Message,
    Messages,
    MiniProgramCard,
    Page,
    Video,
)
from .notices import MiniProgramNotice, Notices, Sent, TemplateCard, Text, TextCard
from .tags import Tag, TagGroup, Tags
from .transfers import TransferPage, Transferred, Transfers
from .visitors import SignedConfig, Visitor, Visitors
from .ways import AcquisitionLink, ContactWay, IdPage, Ways

__all__ = [
    "UserIdPage",
    "Transferred",
    "TransferPage",
    "TagGroup",
    "Tag",
    "ListedChat",
    "GroupChat",
    "ChatPage",
    "ChatMember",
    "AcquisitionLink",
    "Contact",
    "ContactPage",
    "ContactWay",
    "Department",
    "ExternalId",
    "File",
    "Follow",
    "IdPage",
    "Image",
    "Link",
    "MassMember",
    "MassReceiver",
    "MassSend",
    "Message",
    "MiniProgramCard",
    "MiniProgramNotice",
    "Page",
    "Sent",
    "SignedConfig",
    "Staff",
    "TemplateCard",
    "Text",
    "TextCard",
    "Video",
    "Visitor",
    "WeCom",
]


class WeCom(Contacts, Messages, Notices, Directory, Tags, Groups, Transfers, Visitors, Ways):
    """Every call may raise the errors of `app.wechat.errors`; none may be made inside a transaction."""

    def __init__(self, app: WeComApp, wire: Wire) -> None:
        super().__init__(WeComClient(app, wire))
