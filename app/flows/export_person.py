"""Everything one brand knows of a member, for the member: JSON for machines, the same as CSV for people, in one zip.

Their own data in plain (it is theirs), public ids instead of ours, money in fen, times in ISO 8601. What others are
called is left as the member knows them: guides and stores by name.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from app.channels import queries as channels
from app.channels.codes.models import Arrival, ChannelCode
from app.channels.state import GroupChat, GroupChatMember, OfficialFollow, SubscriptionQuota
from app.core import clock, ids
from app.core.db import session
from app.core.sheets import csv_of
from app.coupons.fraud.models import Flag
from app.coupons.issue_models import CouponHoldOut, CouponTransfer, Gift, Referral
from app.coupons.models import Campaign, Coupon, Redemption
from app.coupons.twins.models import CouponTwin
from app.identity import queries as identity
from app.members import queries as members
from app.members.family import family
from app.members.models import GuideHistory, HomeStoreHistory, Member
from app.org.models import Brand, Guide, Store
from app.points.models import Journal, Posting
from app.privacy import commands as privacy
from app.privacy import queries as privacy_queries
from app.privacy.events import ExportAsked
from app.privacy.models import DataExport
from app.sales.models import OrderLine, Refund, SalesOrder
from app.segments.models import MemberTag, MemberTrait, Tag
from app.sop.models import GuideTask, SopStep
from app.tiers.models import Benefit, BenefitGrant, MemberTier, Tier

from . import erase

Rows = list[dict[str, Any]]
README = (
    "本压缩包是您在本品牌的全部个人数据。data.json 为完整内容，各 CSV 文件为同样内容的表格，可用 Excel 打开。\r\n"
    "金额单位为分（人民币），时间为 ISO 8601 格式（UTC）。\r\n"
)


def ask(*, brand_id: int, member_id: int, actor: str) -> DataExport:
    """Ask for a member's export (see privacy.ask_export); a worker makes it."""
    return privacy.ask_export(brand_id=brand_id, member_id=member_id, actor=actor)


def make(event: ExportAsked) -> None:
    """Make the export that was asked for, unless its member is gone."""
    assert event.member_id is not None
    member = members.living(event.brand_id, event.member_id)
    if member is None or member.status == "erased":
        return
    privacy.keep_export(
        brand_id=event.brand_id,
        member_id=event.member_id,
        export_id=event.export_id,
        content=zipped(gather(member)),
    )


def zipped(data: dict[str, Any]) -> bytes:
    """The zip: data.json, a CSV for each list in it, and a note on how to read them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("说明.txt", "\ufeff" + README)
        archive.writestr("data.json", json.dumps(data, ensure_ascii=False, indent=1, default=_plain))
        for name, rows in data.items():
            if isinstance(rows, list):
                columns = list(rows[0]) if rows else []
                archive.writestr(f"{name}.csv", csv_of(columns, rows))
    return out.getvalue()


def gather(member: Member) -> dict[str, Any]:
    """All that the member's brand knows of them, by section; every section but `about` and `profile` is a list."""
    homes = family(member.brand_id, member.member_id).homes
    return {
        "about": {
            "brand": session.scalar(select(Brand.name).where(Brand.id == member.brand_id)),
            "made_at": clock.now(),
            "format": 1,
        },
        "profile": _profile(member),
        "identities": _identities(member),
        **{name: _rows(statement) for name, statement in _sections(member.brand_id, homes).items()},
        "relations": _relations(member),
        **{name: _rows(statement) for name, statement in _in_wechat(member).items()},
        **_privacy(member),
    }


def _profile(member: Member) -> dict[str, Any]:
    return {
        "id": ids.encode("mbr", member.member_id),
        "number": member.number,
        "card_no": member.card_no,
        "name": member.plain_name,
        "phone": identity.phone_of(member.person_id),
        "gender": {1: "male", 2: "female"}.get(member.gender),
        "birthday": member.birthday,
        "status": member.status,
        "source": member.source,
        "joined_at": member.joined_at,
        "bound_at": member.bound_at,
    }


def _identities(member: Member) -> Rows:
    """The ids that the brand knows them by; those of another brand of the group are not this brand's to tell."""
    own = set(erase.scope_of(member.brand_id, member.person_id))
    return [
        {"kind": one.kind, "namespace": one.namespace, "value": one.value}
        for one in identity.identities_of(member.person_id)
        if one.kind in erase.OF_NO_BRAND or (one.kind, one.namespace) in own
    ]


def _sections(brand_id: int, homes: tuple[int, ...]) -> dict[str, Select[Any]]:
    def mine(model: Any) -> Any:
        return and_(model.brand_id == brand_id, model.member_id.in_(homes))

    def same(one: Any, other: Any, *columns: str) -> Any:
        return and_(*(getattr(one, name) == getattr(other, name) for name in ("brand_id", *columns)))

    ledger = (
        select(Journal.currency, Journal.kind, Journal.at, func.sum(Posting.amount).label("amount"))
        .join(Posting, same(Posting, Journal, "member_id", "journal_id"))
        .where(mine(Journal), Posting.account == "member")
        .group_by(Journal.brand_id, Journal.member_id, Journal.journal_id)
        .order_by(Journal.at, Journal.journal_id)
    )
    return {
        "orders": select(
            SalesOrder.order_no,
            SalesOrder.channel,
            Store.name.label("store"),
            SalesOrder.paid_at,
            SalesOrder.total_fen,
            SalesOrder.discount_fen,
            SalesOrder.paid_fen,
            SalesOrder.status,
        )
        .outerjoin(Store, Store.id == SalesOrder.store_id)
        .where(mine(SalesOrder))
        .order_by(SalesOrder.paid_at, SalesOrder.order_id),
        "order_lines": select(
            SalesOrder.order_no, OrderLine.line_no, OrderLine.sku, OrderLine.name, OrderLine.quantity,
            OrderLine.amount_fen, OrderLine.discount_fen,
        )
        .join(SalesOrder, same(SalesOrder, OrderLine, "member_id", "order_id"))
        .where(mine(OrderLine))
        .order_by(SalesOrder.paid_at, OrderLine.order_id, OrderLine.line_no),
        "refunds": select(
            SalesOrder.order_no, Refund.refund_no, Refund.refunded_fen, Refund.reason, Refund.refunded_at
        )
        .join(SalesOrder, same(SalesOrder, Refund, "member_id", "order_id"))
        .where(mine(Refund))
        .order_by(Refund.refunded_at, Refund.refund_id),
        "points": ledger,
        "tiers": select(Tier.name, MemberTier.valid_from, MemberTier.valid_to, MemberTier.reason)
        .join(Tier, same(Tier, MemberTier, "tier_id"))
        .where(mine(MemberTier))
        .order_by(MemberTier.valid_from),
        "benefits": select(Benefit.name, Benefit.kind, BenefitGrant.period, BenefitGrant.granted_at)
        .join(Benefit, same(Benefit, BenefitGrant, "benefit_id"))
        .where(mine(BenefitGrant))
        .order_by(BenefitGrant.granted_at),
        "coupons": select(
            Campaign.name, Coupon.code, Coupon.status, Coupon.source, Coupon.claimed_at, Coupon.valid_from,
            Coupon.valid_to,
        )
        .join(Campaign, same(Campaign, Coupon, "campaign_id"))
        .where(mine(Coupon))
        .order_by(Coupon.claimed_at, Coupon.coupon_id),
        "coupon_twins": select(
            Campaign.name, CouponTwin.channel, CouponTwin.external_code, CouponTwin.state, CouponTwin.created_at
        )
        .join(Campaign, same(Campaign, CouponTwin, "campaign_id"))
        .where(mine(CouponTwin))
        .order_by(CouponTwin.created_at, CouponTwin.coupon_id),
        "redemptions": select(
            Redemption.order_no, Store.name.label("store"), Redemption.discount_fen, Redemption.redeemed_at,
            Redemption.returned_at,
        )
        .outerjoin(Store, Store.id == Redemption.store_id)
        .where(mine(Redemption))
        .order_by(Redemption.redeemed_at, Redemption.redemption_id),
        "coupon_gifts": select(
            Campaign.name, CouponTransfer.status, CouponTransfer.created_at, CouponTransfer.expires_at,
            CouponTransfer.ended_at,
        )
        .join(Coupon, same(Coupon, CouponTransfer, "member_id", "coupon_id"))
        .join(Campaign, same(Campaign, Coupon, "campaign_id"))
        .where(mine(CouponTransfer))
        .order_by(CouponTransfer.created_at, CouponTransfer.transfer_id),
        "gift_occasions": select(Gift.kind, Gift.granted_at).where(mine(Gift)).order_by(Gift.granted_at),
        "friends_brought": select(Referral.joined_at)
        .where(Referral.brand_id == brand_id, Referral.referrer_id.in_(homes), Referral.joined_at.is_not(None))
        .order_by(Referral.joined_at),
        "invited_by_a_friend": select(Referral.invited_at, Referral.joined_at)
        .where(Referral.brand_id == brand_id, Referral.member_id.in_(homes))
        .order_by(Referral.invited_at),
        "comparison_groups": select(Campaign.name, CouponHoldOut.at)
        .join(Campaign, same(Campaign, CouponHoldOut, "campaign_id"))
        .where(mine(CouponHoldOut))
        .order_by(CouponHoldOut.at),
        "coupon_flags": select(Flag.rule, Flag.count, Flag.window_from, Flag.status, Flag.created_at)
        .where(Flag.brand_id == brand_id, Flag.member_id.in_(homes))
        .order_by(Flag.created_at),
        "tags": select(Tag.group_name, Tag.name, MemberTag.source, MemberTag.held, MemberTag.at)
        .join(Tag, same(Tag, MemberTag, "tag_id"))
        .where(mine(MemberTag))
        .order_by(MemberTag.at),
        "traits": select(
            MemberTrait.lifecycle, MemberTrait.orders_count, MemberTrait.net_paid_fen, MemberTrait.favourite_category,
            MemberTrait.recency, MemberTrait.frequency, MemberTrait.monetary, MemberTrait.refreshed_at,
        ).where(mine(MemberTrait)),
        "tasks": select(
            SopStep.title, SopStep.action, GuideTask.status, Guide.name.label("guide"), GuideTask.due_at,
            GuideTask.done_at, GuideTask.evidence["note"].astext.label("note"),
        )
        .join(SopStep, same(SopStep, GuideTask, "step_id"))
        .outerjoin(Guide, Guide.id == GuideTask.guide_id)
        .where(mine(GuideTask))
        .order_by(GuideTask.due_at, GuideTask.task_id),
        "guides": select(Guide.name, Store.name.label("store"), GuideHistory.from_at, GuideHistory.reason)
        .outerjoin(Guide, Guide.id == GuideHistory.guide_id)
        .outerjoin(Store, Store.id == GuideHistory.store_id)
        .where(mine(GuideHistory))
        .order_by(GuideHistory.from_at),
        "home_stores": select(Store.name.label("store"), HomeStoreHistory.from_at, HomeStoreHistory.reason)
        .outerjoin(Store, Store.id == HomeStoreHistory.store_id)
        .where(mine(HomeStoreHistory))
        .order_by(HomeStoreHistory.from_at),
    }  # fmt: skip


def _in_wechat(member: Member) -> dict[str, Any]:
    """By which codes they came, which groups they are in, which accounts they follow and what these may send them."""
    brand_id, person_ids = member.brand_id, identity.all_ids_of(member.person_id)
    known = identity.identities_of(member.person_id)
    contacts = [one.value for one in known if one.kind == "external_userid"]
    openids = [one.value for one in known if one.kind == "openid"]
    return {
        "arrivals": select(ChannelCode.name.label("code"), Arrival.kind, Arrival.at, Arrival.lost_at)
        .outerjoin(ChannelCode, ChannelCode.id == Arrival.code_id)
        .where(Arrival.brand_id == brand_id, Arrival.person_id.in_(person_ids))
        .order_by(Arrival.at),
        "groups": select(GroupChat.name, GroupChatMember.joined_at, GroupChatMember.left_at)
        .join(
            GroupChat,
            and_(GroupChat.corp_id == GroupChatMember.corp_id, GroupChat.chat_id == GroupChatMember.chat_id),
        )
        .where(GroupChatMember.brand_id == brand_id, GroupChatMember.member_key.in_(contacts))
        .order_by(GroupChatMember.joined_at),
        "official_accounts": select(
            OfficialFollow.appid, OfficialFollow.subscribed, OfficialFollow.subscribed_at, OfficialFollow.active_at
        )
        .where(OfficialFollow.brand_id == brand_id, OfficialFollow.person_id.in_(person_ids))
        .order_by(OfficialFollow.appid),
        "subscriptions": select(
            SubscriptionQuota.template_id, SubscriptionQuota.state, SubscriptionQuota.accepted, SubscriptionQuota.sent
        )
        .where(SubscriptionQuota.brand_id == brand_id, SubscriptionQuota.openid.in_(openids))
        .order_by(SubscriptionQuota.template_id),
    }


def _relations(member: Member) -> Rows:
    """Whom they added in WeCom, and what the guide called them there."""
    names = dict(session.execute(select(Guide.id, Guide.name).where(Guide.brand_id == member.brand_id)).all())
    rows = []
    for follow in channels.follows_of_person(member.person_id, brand_id=member.brand_id):
        card = channels.contact_card(follow)
        rows.append(
            {
                "guide": names.get(follow.guide_id) if follow.guide_id is not None else None,
                "status": follow.status,
                "added_at": follow.added_at,
                "remark": follow.remark,
                "nickname": card.name if card else None,
            }
        )
    return rows


def _privacy(member: Member) -> dict[str, Rows]:
    said = privacy_queries.history(member.brand_id, member.person_id, limit=1000)
    looks = privacy_queries.reveals(member.brand_id, family(member.brand_id, member.member_id).homes, limit=1000)
    columns = ("purpose", "channel", "granted", "version", "at", "source")
    return {
        "consents": [{name: getattr(one, name) for name in columns} for one in said],
        "reveals": [{"at": one.at, "role": one.role, "field": one.field} for one in looks],
    }


def _rows(statement: Select[Any]) -> Rows:
    return [dict(row) for row in session.execute(statement).mappings()]


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
