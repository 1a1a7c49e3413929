"""Who may do what in the console, and how far each of them sees. This file is the only place that decides either.

`ROLES` says which roles a route serves; a route that is missing from it serves nobody. `reach_of` turns a role into the
stores whose rows it sees; queries take it and cannot be called without it. What lies outside is not there: it answers
404 like a thing that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from app.core import ids
from app.core.errors import Forbidden, NotFound
from app.dashboards.reach import Reach
from app.org import queries as org
from app.org.models import AdminUser

OPEN = frozenset({"admin.login", "admin.second_factor", "console.login", "console.sign_in", "console.give_code"})
# All that is left to somebody who must first set up a second factor or change a handed-over password.
UNFINISHED = frozenset(
    {
        "admin.me",
        "admin.logout",
        "admin.begin_factor",
        "admin.confirm_factor",
        "admin.change_password",
        "console.account",
        "console.change_password",
        "console.begin_factor",
        "console.confirm_factor",
        "console.logout",
    }
)
HQ = frozenset({"hq"})
LOOKS_INTO = frozenset({"hq", "region"})  # what stores and dealers may be the subject of is not theirs to decide
EVERYONE = frozenset({"hq", "region", "dealer", "store"})

# By endpoint. Pages of the console stand beside the API routes they show.
ROLES: dict[str, frozenset[str]] = {
    "admin.logout": EVERYONE,
    "admin.begin_factor": EVERYONE,
    "admin.confirm_factor": EVERYONE,
    "admin.remove_factor": EVERYONE,
    "admin.change_password": EVERYONE,
    "admin.users": HQ,
    "admin.create_user": HQ,
    "admin.disable_user": HQ,
    "admin.enable_user": HQ,
    "admin.reset_user": HQ,
    "admin.audit_log": HQ,
    "admin.me": EVERYONE,
    "admin.today": EVERYONE,
    "admin.feed": EVERYONE,
    "admin.members": EVERYONE,
    "admin.member": EVERYONE,
    "admin.member_timeline": EVERYONE,
    "admin.member_coupons": EVERYONE,
    "admin.give_coupon": HQ,
    "admin.void_coupon": HQ,
    "admin.tags": EVERYONE,
    "admin.define_tag": HQ,
    "admin.retire_tag": HQ,
    "admin.apply_tag": HQ,
    "admin.adopt_tags": HQ,
    "admin.tag_member": EVERYONE,
    "admin.untag_member": EVERYONE,
    "admin.move_home_store": EVERYONE,
    "admin.tasks": EVERYONE,
    "admin.campaigns": EVERYONE,
    "admin.campaign": EVERYONE,
    "admin.campaign_lift": EVERYONE,
    "admin.create_campaign": HQ,
    "admin.revise_campaign": HQ,
    "admin.switch_campaign": HQ,
    "admin.supply_campaign": HQ,
    "admin.campaign_policy": HQ,
    "admin.set_campaign_policy": HQ,
    "admin.stores": EVERYONE,
    "admin.segments": HQ,
    "admin.save_segment": HQ,
    "admin.coupon_pushes": HQ,
    "admin.preview_push": HQ,
    "admin.start_push": HQ,
    "admin.coupon_push": HQ,
    "admin.push_lift": HQ,
    "admin.stop_push": HQ,
    "admin.resume_push": HQ,
    "admin.gift_rules": HQ,
    "admin.add_gift_rule": HQ,
    "admin.change_gift_rule": HQ,
    "admin.guide_limit": EVERYONE,
    "admin.limit_guides": HQ,
    "admin.redeem_batches": HQ,
    "admin.order_codes": HQ,
    "admin.redeem_batch": HQ,
    "admin.export_codes": HQ,
    "admin.void_codes": HQ,
    "admin.sops": EVERYONE,
    "admin.identity_reviews": HQ,
    "admin.identity_review": HQ,
    "admin.decide_review": HQ,
    "admin.member_merges": HQ,
    "admin.split_merge": HQ,
    "admin.blocked_values": HQ,
    "admin.block_value": HQ,
    "admin.unblock_value": HQ,
    "admin.person": HQ,
    "admin.trace": HQ,
    "admin.imports": HQ,
    "admin.send_import": HQ,
    "admin.one_import": HQ,
    "admin.import_errors": HQ,
    "admin.import_error_table": HQ,
    "admin.cancel_import": HQ,
    "admin.import_template": HQ,
    "console.imports": HQ,
    "console.send_import": HQ,
    "console.one_import": HQ,
    "console.cancel_import": HQ,
    "console.import_error_table": HQ,
    "console.import_template": HQ,
    "admin.reveal": EVERYONE,
    "admin.member_privacy": EVERYONE,
    "admin.note_consent": HQ,
    "admin.ask_export": HQ,
    "admin.export_file": HQ,
    "admin.erase_member": HQ,
    "admin.policies": HQ,
    "admin.publish_policy": HQ,
    "console.privacy_panel": EVERYONE,
    "console.reveal": EVERYONE,
    "console.ask_export": HQ,
    "console.export_file": HQ,
    "console.erase_member": HQ,
    "admin.channel_codes": EVERYONE,
    "admin.order_channel_codes": EVERYONE,
    "admin.channel_code": EVERYONE,
    "admin.change_channel_code": EVERYONE,
    "admin.retire_channel_code": EVERYONE,
    "admin.channel_code_picture": EVERYONE,
    "console.channel_codes": EVERYONE,
    "console.order_channel_codes": EVERYONE,
    "console.retire_channel_code": EVERYONE,
    "console.channel_code_picture": EVERYONE,
    "admin.coupon_channels": HQ,
    "admin.bind_campaign": HQ,
    "admin.unbind_campaign": HQ,
    "admin.coupon_twins": HQ,
    "admin.twin_conflicts": HQ,
    "admin.close_twin_conflict": HQ,
    "admin.offline_receipts": EVERYONE,
    "admin.offline_quotas": EVERYONE,
    "admin.set_offline_quota": HQ,
    "console.offline_receipts": EVERYONE,
    "console.set_offline_quota": HQ,
    "console.coupon_pushes": HQ,
    "console.push_coupons": HQ,
    "console.coupon_push": HQ,
    "console.switch_push": HQ,
    "console.gift_rules": HQ,
    "console.add_gift_rule": HQ,
    "console.change_gift_rule": HQ,
    "console.redeem_batches": HQ,
    "console.order_codes": HQ,
    "console.export_codes": HQ,
    "console.void_codes": HQ,
    "console.coupon_channels": HQ,
    "console.bind_campaign": HQ,
    "console.unbind_campaign": HQ,
    "console.close_twin_conflict": HQ,
    "console.today": EVERYONE,
    "console.find_members": EVERYONE,
    "console.member": EVERYONE,
    "console.member_timeline": EVERYONE,
    "console.member_coupons": EVERYONE,
    "console.give_coupon": HQ,
    "console.void_coupon": HQ,
    "console.tags": EVERYONE,
    "console.define_tag": HQ,
    "console.adopt_tags": HQ,
    "console.change_tag": HQ,
    "console.tag_member": EVERYONE,
    "console.move_home_store": EVERYONE,
    "console.tasks": EVERYONE,
    "console.campaigns": EVERYONE,
    "console.one_campaign": EVERYONE,
    "console.campaign_lift": EVERYONE,
    "console.new_campaign": HQ,
    "console.create_campaign": HQ,
    "console.switch_campaign": HQ,
    "console.campaign_policy": HQ,
    "console.campaign_terms": HQ,
    "console.limit_guides": HQ,
    "console.revise_campaign": HQ,
    "console.supply_campaign": HQ,
    "admin.check_at_desk": EVERYONE,
    "admin.redeem_at_desk": EVERYONE,
    "admin.desk_day": EVERYONE,
    "admin.undo_at_desk": EVERYONE,
    "console.desk_page": EVERYONE,
    "console.desk_check": EVERYONE,
    "console.desk_redeem": EVERYONE,
    "console.desk_undo": EVERYONE,
    "console.stores": EVERYONE,
    "console.sops": EVERYONE,
    "console.review_queue": HQ,
    "console.review_page": HQ,
    "console.decide_on_page": HQ,
    "console.merges_panel": HQ,
    "console.split_on_page": HQ,
    "console.blocked_page": HQ,
    "console.change_blocked": HQ,
    "console.follow": HQ,
    "console.logout": EVERYONE,
    "console.account": EVERYONE,
    "console.change_password": EVERYONE,
    "console.begin_factor": EVERYONE,
    "console.confirm_factor": EVERYONE,
    "console.remove_factor": EVERYONE,
    "console.users": HQ,
    "console.create_user": HQ,
    "console.change_user": HQ,
    "console.audit_log": HQ,
    "admin.sync_runs": HQ,
    "admin.start_sync": HQ,
    "admin.sync_run": HQ,
    "admin.sync_drift": HQ,
    "admin.confirm_sync": HQ,
    "admin.cancel_sync": HQ,
    "console.sync_list": HQ,
    "console.start_sync_on_page": HQ,
    "console.sync_page": HQ,
    "console.confirm_sync_on_page": HQ,
    "console.cancel_sync_on_page": HQ,
    "admin.coupon_report": EVERYONE,
    "admin.coupon_report_table": EVERYONE,
    "console.coupon_report": EVERYONE,
    "console.coupon_report_table": EVERYONE,
    "admin.coupon_statements": EVERYONE,
    "admin.coupon_statement_table": EVERYONE,
    "admin.coupon_bill_table": EVERYONE,
    "admin.coupon_statement_lines": EVERYONE,
    "admin.coupon_statement_line_table": EVERYONE,
    "admin.ask_to_close_month": HQ,
    "admin.close_month": HQ,
    "console.coupon_statements": EVERYONE,
    "console.coupon_statement_table": EVERYONE,
    "console.coupon_bill_table": EVERYONE,
    "console.coupon_statement_lines": EVERYONE,
    "console.coupon_statement_line_table": EVERYONE,
    "console.close_coupon_month": HQ,
    "admin.coupon_flags": LOOKS_INTO,
    "admin.coupon_flag": LOOKS_INTO,
    "admin.decide_coupon_flag": LOOKS_INTO,
    "admin.coupon_fraud_rules": HQ,
    "admin.change_coupon_fraud_rule": HQ,
    "admin.guide_phones": HQ,
    "admin.note_guide_phone": HQ,
    "console.coupon_flags": LOOKS_INTO,
    "console.coupon_flag": LOOKS_INTO,
    "console.decide_coupon_flag": LOOKS_INTO,
    "console.coupon_fraud_rules": HQ,
    "console.change_coupon_fraud_rule": HQ,
    "console.note_guide_phone": HQ,
}


@dataclass(frozen=True)
class Scope:
    """The signed-in user and what they see. `group`: they belong to no single brand."""

    admin_id: int
    name: str
    role: str
    brand_name: str
    timezone: str
    group: bool
    reach: Reach

    @property
    def actor(self) -> str:
        """How the audit log names them."""
        return ids.encode("adm", self.admin_id)

    @property
    def brand_id(self) -> int:
        return self.reach.brand_id

    def serves(self, endpoint: str) -> bool:
        return self.role in ROLES.get(endpoint, frozenset())


def enter(admin: AdminUser, endpoint: str, brand: str = "") -> Scope:
    """Let a user into a route, or Forbidden. `brand` is a public brand id, for users of the whole group."""
    brand_id = _brand_id(admin, brand)
    row = org.brand(brand_id)
    scope = Scope(
        admin_id=admin.id,
        name=admin.name,
        role=admin.role,
        brand_name=row.name,
        timezone=row.timezone,
        group=admin.brand_id is None,
        reach=reach_of(admin, brand_id),
    )
    if not scope.serves(endpoint):
        raise Forbidden()
    g.admin_scope = scope
    return scope


def current() -> Scope:
    """The scope of the present request."""
    scope: Scope = g.admin_scope
    return scope


def signed_in() -> Scope | None:
    """The scope, or None on a page that anybody may see."""
    return g.get("admin_scope")


def reach_of(admin: AdminUser, brand_id: int) -> Reach:
    """The stores a user's role opens, within one brand."""
    if admin.role == "hq":
        return Reach(brand_id)
    if admin.role == "store":
        return Reach(brand_id, frozenset({admin.store_id} if admin.store_id else ()))
    column = {"region": "region_id", "dealer": "dealer_id"}[admin.role]
    mine = getattr(admin, column)
    stores = org.stores(brand_id)
    return Reach(brand_id, frozenset(store.id for store in stores if mine and getattr(store, column) == mine))


def _brand_id(admin: AdminUser, brand: str) -> int:
    if admin.brand_id is not None:
        if brand and ids.decode("brd", brand) != admin.brand_id:
            raise NotFound()
        return admin.brand_id
    brands = [row.id for row in org.brands()]
    wanted = ids.decode("brd", brand) if brand else next(iter(brands), 0)
    if wanted not in brands:
        raise NotFound()
    return wanted
