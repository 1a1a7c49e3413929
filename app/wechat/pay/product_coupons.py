"""The gateway to product coupons (商品券) of one brand: pay.weixin.qq.com/doc/brand, checked 2025-12.

A coupon that was sent stays CONFIRMING, seen and unusable, until we confirm it. Who leads: WeChat Pay gives coupons out
and ends them; we use them, give them back and withdraw them, and tell. Money is in fen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import AnswerIncomplete
from .account import PayAccount
from .client import PayClient, PayWire
from .notice import moment

_ROOT = "/brand/marketing/product-coupon"
_PRODUCTS = f"{_ROOT}/product-coupons"
_STOCK = f"{_PRODUCTS}/{{product}}/stocks/{{stock}}"
_COUPONS = f"{_ROOT}/users/{{openid}}/coupons"
_COUPON = f"{_COUPONS}/{{code}}"
NOTIFY = f"{_ROOT}/notify-configs"

STOCK_STATES = ("AUDITING", "SENDING", "PAUSED", "STOPPED", "DEACTIVATED")
COUPON_STATES = ("CONFIRMING", "PENDING", "EFFECTIVE", "USED", "EXPIRED", "DELETED", "DEACTIVATED")
_PAGE, _PAGES = 20, 10
NAME_MOST = 12  # characters of a coupon's name


@dataclass(frozen=True)
class NewStock:
    """A product coupon with its first stock. Either amount_fen or percent_off (20: 20 % off) is set.

    codes_ours: we say each coupon's code (API_ASSIGN); else WeChat Pay makes them, and users may take some there.
    """

    request_no: str
    product_no: str
    name: str
    image_url: str
    description: str
    appid: str
    threshold_fen: int
    amount_fen: int | None
    percent_off: int | None
    most: int
    most_per_user: int
    begins: datetime
    ends: datetime
    days: int | None
    wait_days: int
    codes_ours: bool


@dataclass(frozen=True)
class Stock:
    """`most` is how many coupons it may give out, as far as the answer says."""

    product_id: str
    stock_id: str
    state: str
    most: int | None


@dataclass(frozen=True)
class Named:
    """Which user's coupon: in what it was given out, to whom (openid never shows), by which code."""

    product_id: str
    stock_id: str
    appid: str
    openid: str = field(repr=False)
    code: str


@dataclass(frozen=True)
class UserCoupon:
    """A user's coupon as WeChat Pay has it; times are those it was told or noted, aware UTC."""

    code: str
    state: str
    send_request_no: str | None = None
    received: datetime | None = None
    confirmed: datetime | None = None
    used: datetime | None = None
    use_request_no: str | None = None
    order_no: str | None = None
    returned: datetime | None = None
    deactivated: datetime | None = None
    valid_to: datetime | None = None


class ProductCoupons:
    """Every call may raise the errors of `app.wechat.errors`; `request_no` (6 to 40 characters) lets it happen once."""

    def __init__(self, account: PayAccount, wire: PayWire) -> None:
        self._client = PayClient(account, wire)

    def create(self, new: NewStock) -> Stock:
        return _stock(self._client.post(_PRODUCTS, {}, _creation(new)))

    def stock(self, product_id: str, stock_id: str) -> Stock:
        return _stock(self._client.get(_STOCK, _ids(product_id, stock_id)))

    def resize(self, product_id: str, stock_id: str, *, most_now: int, most: int, request_no: str) -> Stock:
        """Change how many coupons a stock may give out; `most_now` is what WeChat Pay has, or it refuses."""
        body = {
            "out_request_no": request_no,
            "update_mode": "MAX_COUNT",
            "current_max_count": most_now,
            "target_max_count": most,
        }
        return _stock(self._client.post(f"{_STOCK}/update-budget", _ids(product_id, stock_id), body))

    def end_stock(self, product_id: str, stock_id: str, *, reason: str, request_no: str) -> Stock:
        """No more coupons of it; what is out stays good."""
        body = {"out_request_no": request_no, "deactivate_reason": reason}
        return _stock(self._client.post(f"{_STOCK}/deactivate", _ids(product_id, stock_id), body))

    def send(
        self, *, product_id: str, stock_id: str, appid: str, openid: str, code: str | None, request_no: str
    ) -> UserCoupon:
        """Give a user a coupon, under our code where the stock takes ours."""
        body = {"product_coupon_id": product_id, "stock_id": stock_id, "appid": appid, "send_request_no": request_no}
        answer = self._client.post(_COUPONS, {"openid": openid}, body | ({"coupon_code": code} if code else {}))
        return user_coupon(answer)

    def confirm(self, one: Named, *, request_no: str) -> UserCoupon:
        return self._change("confirm", one, {"out_request_no": request_no})

    def use(self, one: Named, *, at: datetime, order_no: str, request_no: str) -> UserCoupon:
        body: dict[str, Any] = {"out_request_no": request_no, "use_time": at.isoformat(timespec="seconds")}
        if mchid := self._client.account.mchid:
            body["associated_order_info"] = {"out_trade_no": order_no[:32], "mchid": mchid}
        return self._change("use", one, body)

    def give_back(self, one: Named, *, request_no: str) -> UserCoupon:
        """Make a used coupon good again (退券)."""
        return self._change("return", one, {"out_request_no": request_no})

    def deactivate(self, one: Named, *, reason: str, request_no: str) -> UserCoupon:
        return self._change("deactivate", one, {"out_request_no": request_no, "deactivate_reason": reason})

    def look(self, one: Named) -> UserCoupon:
        """The coupon as it is now."""
        query = {"product_coupon_id": one.product_id, "stock_id": one.stock_id, "appid": one.appid}
        return user_coupon(self._client.get(_COUPON, {"openid": one.openid, "code": one.code}, query))

    def unconfirmed(self, *, appid: str, openid: str, stock_id: str) -> list[UserCoupon]:
        """The coupons of a stock that a user took and that wait for our confirmation."""
        query = {"appid": appid, "stock_id": stock_id, "coupon_state": "CONFIRMING", "page_size": str(_PAGE)}
        found: list[UserCoupon] = []
        for _ in range(_PAGES):
            answer = self._client.get(_COUPONS, {"openid": openid}, query)
            page = answer.get("user_coupon_list", [])
            if not isinstance(page, list):
                raise AnswerIncomplete(part="user_coupon_list")
            found += [user_coupon(one) for one in page if isinstance(one, dict)]
            token = _text(answer, "next_page_token")
            if token is None:
                break
            query["page_token"] = token
        return found

    def notify_at(self, url: str) -> None:
        """Say where notices go; one address for all coupons of the brand."""
        self._client.post(NOTIFY, {}, {"notify_url": url})

    def _change(self, verb: str, one: Named, body: dict[str, Any]) -> UserCoupon:
        named = {"product_coupon_id": one.product_id, "stock_id": one.stock_id, "appid": one.appid}
        return user_coupon(
            self._client.post(f"{_COUPON}/{verb}", {"openid": one.openid, "code": one.code}, named | body)
        )


def user_coupon(told: Mapping[str, Any]) -> UserCoupon:
    """A user's coupon out of an answer; AnswerIncomplete without its code or a state that we know."""
    code, state = told.get("coupon_code"), told.get("coupon_state")
    if not isinstance(code, str) or not code or state not in COUPON_STATES:
        raise AnswerIncomplete(part="coupon_code, coupon_state")
    usage = told.get("single_usage_detail")
    usage = usage if isinstance(usage, dict) else {}
    order = usage.get("associated_order_info")
    return UserCoupon(
        code=code,
        state=state,
        send_request_no=_text(told, "send_request_no"),
        received=moment(told.get("receive_time")),
        confirmed=moment(told.get("confirm_time")),
        used=moment(usage.get("use_time")),
        use_request_no=_text(usage, "use_request_no"),
        order_no=_text(order, "out_trade_no") if isinstance(order, dict) else None,
        returned=moment(usage.get("return_time")),
        deactivated=moment(told.get("deactivate_time")),
        valid_to=moment(told.get("valid_end_time")),
    )


def _stock(told: Mapping[str, Any]) -> Stock:
    # A new product coupon's answer holds its stock within, that of a stock is the stock.
    inner = told.get("stock") if isinstance(told.get("stock"), dict) else told
    assert inner is not None
    product, stock_id, state = told.get("product_coupon_id"), inner.get("stock_id"), inner.get("state")
    if not isinstance(product, str) or not isinstance(stock_id, str) or state not in STOCK_STATES:
        raise AnswerIncomplete(part="product_coupon_id, stock_id, state")
    rule = inner.get("stock_send_rule")
    most = rule.get("max_count") if isinstance(rule, dict) else None
    return Stock(product, stock_id, state, most if isinstance(most, int) else None)


def _creation(new: NewStock) -> dict[str, Any]:
    kind = "NORMAL" if new.amount_fen is not None else "DISCOUNT"
    rule: dict[str, Any] = {"threshold": new.threshold_fen}
    if new.amount_fen is not None:
        usage = {"normal_coupon": rule | {"discount_amount": new.amount_fen}}
    else:
        usage = {"discount_coupon": rule | {"percent_off": new.percent_off}}
    period: dict[str, Any] = {
        "available_begin_time": new.begins.isoformat(timespec="seconds"),
        "available_end_time": new.ends.isoformat(timespec="seconds"),
        "wait_days_after_receive": new.wait_days,
    }
    if new.days is not None:
        period["available_days"] = new.days
    return {
        "out_request_no": new.request_no,
        "scope": "ALL",
        "type": kind,
        "usage_mode": "SINGLE",
        "single_usage_info": usage,
        "display_info": {"name": new.name[:NAME_MOST], "image_url": new.image_url},
        "out_product_no": new.product_no,
        "stock": {
            "remark": new.product_no[:20],
            "coupon_code_mode": "API_ASSIGN" if new.codes_ours else "WECHATPAY",
            "stock_send_rule": {"max_count": new.most, "max_count_per_user": new.most_per_user},
            "single_usage_rule": {"coupon_available_period": period},
            "usage_rule_display_info": {
                "coupon_usage_method_list": ["OFFLINE"],
                "usage_description": new.description[:1000],
                "coupon_available_store_info": {"description": "以门店公示为准"},
            },
            "coupon_display_info": {"code_display_mode": "QRCODE"},
            "notify_config": {"notify_appid": new.appid},
            "store_scope": "NONE",
        },
    }


def _ids(product_id: str, stock_id: str) -> dict[str, str]:
    return {"product": product_id, "stock": stock_id}


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) and value else None
