"""WeChat Pay's side of product coupons: stocks, users' coupons, and what it tells the brand of them.

Times are epoch seconds here and RFC 3339 on the wire. A request number makes a thing happen once: the same one is
answered again with what became of it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.wechat.pay import signing
from app.wechat.pay.account import private_key, public_key
from app.wechat.simulator.engine.rows import PayBrand, PayCoupon, PayStock
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, PayError

CHINA = timezone(timedelta(hours=8))
PREFIX = "wxpay:"  # of a receiver of notices
ASSOCIATED = "product_coupon"
_private, _public = cache(private_key), cache(public_key)  # reading a key checks it, which is slow
OPEN = ("CONFIRMING", "PENDING", "EFFECTIVE")


def pem_pair() -> tuple[str, str]:
    """A new RSA key: private and public, as PEM."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, public_pem(key)


def public_pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Pay:
    def __init__(self, world: World) -> None:
        self.world = world

    # --- accounts and their keys ------------------------------------------------------------------------------------

    def put_brand(self, values: dict[str, Any]) -> PayBrand:
        """{brand_id, serial_no, public_key, platform_key, platform_id, api_v3_key, notify_url}: ours by its public key,
        WeChat Pay's own by its private one.
        """
        with self.world.lock:
            try:
                row = PayBrand(**values)
            except TypeError as error:
                raise ControlError(f"pay brand: {error}") from error
            return self.world.pay_brands.put(row.brand_id, row)

    def brand(self, brand_id: str) -> PayBrand:
        row = self.world.pay_brands.get(brand_id)
        if row is None:
            raise PayError(401, "SIGN_ERROR", "no such brand")
        return row

    def only(self) -> PayBrand:
        row = next(iter(self.world.pay_brands), None)
        if row is None:
            raise ControlError("no brand at WeChat Pay yet", 409)
        return row

    def check_request(self, header: str, method: str, target: str, body: bytes) -> PayBrand:
        """Whose request it is; 401 SIGN_ERROR for a wrong signature."""
        scheme, _, rest = header.partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        fields = {name.strip(): value.strip('"') for name, value in fields.items()}
        brand = self.brand(fields.get("brand_id", ""))
        timestamp, nonce = fields.get("timestamp", ""), fields.get("nonce_str", "")
        text = f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        fresh = timestamp.isdigit() and abs(int(timestamp) - datetime.now(UTC).timestamp()) <= signing.WINDOW
        right = signing.matches(_public(brand.public_key), fields.get("signature", ""), text)
        known = scheme == "WECHATPAY-BRAND-SHA256-RSA2048" and fields.get("serial_no") == brand.serial_no
        if not (fresh and right and known):
            raise PayError(401, "SIGN_ERROR", "wrong signature")
        return brand

    def signed_headers(self, brand: PayBrand, body: bytes) -> dict[str, str]:
        """The headers of an answer or a notice, signed now."""
        timestamp, nonce = str(int(datetime.now(UTC).timestamp())), secrets.token_hex(16)
        return {
            "Wechatpay-Serial": brand.platform_id,
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": signing.sign(_private(brand.platform_key), timestamp, nonce, body),
        }

    def envelope(self, fields: dict[str, Any]) -> tuple[str, bytes, dict[str, str]]:
        """Address, body and headers of one notice; each delivery is sealed and signed anew, its id stays."""
        brand = self.brand(fields["brand_id"])
        nonce = secrets.token_hex(6)
        body = json.dumps(
            {
                "id": fields["id"],
                "create_time": fields["create_time"],
                "resource_type": "encrypt-resource",
                "event_type": fields["Event"],
                "summary": "商品券通知",
                "resource": signing.seal(
                    brand.api_v3_key.encode(), fields["resource"], nonce=nonce, associated=ASSOCIATED
                ),
            },
            ensure_ascii=False,
        ).encode()
        return brand.notify_url, body, self.signed_headers(brand, body) | {"Content-Type": "application/json"}

    # --- stocks -----------------------------------------------------------------------------------------------------

    def create(self, brand: PayBrand, body: dict[str, Any]) -> dict[str, Any]:
        stock = body["stock"]
        if not body["display_info"]["name"] or not body["display_info"]["image_url"]:
            raise PayError(400, "PARAM_ERROR", "display_info")
        known = next((one for one in self.world.pay_stocks if one.request_no == body["out_request_no"]), None)
        if known is None:
            number = self.world.sequence()
            known = PayStock(
                stock_id=f"{1000000000 + number}001",
                product_id=str(1000000000 + number),
                brand_id=brand.brand_id,
                request_no=body["out_request_no"],
                state="AUDITING" if brand.audits else "SENDING",
                most=int(stock["stock_send_rule"]["max_count"]),
                most_per_user=int(stock["stock_send_rule"]["max_count_per_user"]),
                code_mode=stock["coupon_code_mode"],
                period=stock["single_usage_rule"]["coupon_available_period"],
                name=body["display_info"]["name"],
            )
            self.world.pay_stocks.put(known.stock_id, known)
        return {"product_coupon_id": known.product_id, "state": "EFFECTIVE", "stock": _stock(known)}

    def stock(self, product_id: str, stock_id: str) -> PayStock:
        row = self.world.pay_stocks.get(stock_id)
        if row is None or row.product_id != product_id:
            raise PayError(404, "NOT_FOUND", "no such stock")
        return row

    def show_stock(self, product_id: str, stock_id: str) -> dict[str, Any]:
        return _stock(self.stock(product_id, stock_id))

    def resize(self, row: PayStock, body: dict[str, Any]) -> dict[str, Any]:
        if body["current_max_count"] != row.most or body["target_max_count"] < self._given(row.stock_id):
            raise PayError(400, "INVALID_REQUEST", "the present number is another")
        row.most = int(body["target_max_count"])
        self.world.pay_stocks.touch(row.stock_id)
        return _stock(row)

    def set_stock(self, row: PayStock, state: str) -> dict[str, Any]:
        row.state = state
        self.world.pay_stocks.touch(row.stock_id)
        return _stock(row)

    def _given(self, stock_id: str) -> int:
        return sum(one.stock_id == stock_id for one in self.world.pay_coupons)

    # --- users' coupons ---------------------------------------------------------------------------------------------

    def give(
        self, brand: PayBrand, row: PayStock, *, appid: str, openid: str, code: str | None, request_no: str | None
    ) -> dict[str, Any]:
        """A coupon for a user: asked for by the brand (`request_no`), or taken by the user."""
        mine = [one for one in self.world.pay_coupons if one.stock_id == row.stock_id]
        known = next((one for one in mine if request_no and one.send_request_no == request_no), None)
        if known is not None:
            return self.shown(known)
        if row.state != "SENDING":
            raise PayError(400, "INVALID_REQUEST", "the stock gives out nothing now")
        if len(mine) >= row.most or sum(one.openid == openid for one in mine) >= row.most_per_user:
            raise PayError(403, "RULE_LIMIT", "no more coupons")
        if (row.code_mode == "API_ASSIGN") != (code is not None):
            raise PayError(400, "PARAM_ERROR", "coupon_code")
        code = code or f"W{self.world.make_id('paycoupon', 15)}"
        if code in self.world.pay_coupons:
            raise PayError(400, "RESOURCE_ALREADY_EXISTS", "the code is taken")
        now = self.world.now()
        made = PayCoupon(
            code=code,
            brand_id=brand.brand_id,
            product_id=row.product_id,
            stock_id=row.stock_id,
            appid=appid,
            openid=openid,
            state="CONFIRMING",
            received=now,
            valid_to=_epoch(row.period["available_end_time"]),
            send_request_no=request_no,
        )
        self.world.pay_coupons.put(code, made)
        self._tell("SEND", made)
        return self.shown(made)

    def coupon(self, code: str, openid: str) -> PayCoupon:
        row = self.world.pay_coupons.get(code)
        if row is None or row.openid != openid:
            raise PayError(404, "NOT_FOUND", "no such coupon")
        if row.state in OPEN and row.valid_to <= self.world.now():
            row.state = "EXPIRED"
        return row

    def confirm(self, row: PayCoupon, body: dict[str, Any]) -> dict[str, Any]:
        def change() -> None:
            row.state, row.confirmed = "EFFECTIVE", self.world.now()

        return self._once(row, "confirm", body, ("CONFIRMING",), change)

    def use(self, row: PayCoupon, body: dict[str, Any], *, tell: bool = True) -> dict[str, Any]:
        def change() -> None:
            row.state, row.used = "USED", _epoch(body["use_time"])
            row.use_request_no = body["out_request_no"]
            row.order_no = (body.get("associated_order_info") or {}).get("out_trade_no")
            row.returned = None

        return self._once(row, "use", body, ("EFFECTIVE",), change, tells="USE" if tell else "")

    def give_back(self, row: PayCoupon, body: dict[str, Any], *, tell: bool = True) -> dict[str, Any]:
        def change() -> None:
            row.state, row.returned = "EFFECTIVE", self.world.now()

        return self._once(row, "return", body, ("USED",), change, tells="RETURN" if tell else "")

    def deactivate(self, row: PayCoupon, body: dict[str, Any], *, tell: bool = False) -> dict[str, Any]:
        def change() -> None:
            row.state, row.deactivated = "DEACTIVATED", self.world.now()

        return self._once(row, "deactivate", body, OPEN, change, tells="DEACTIVATE" if tell else "")

    def delete(self, row: PayCoupon) -> None:
        """The user throws it away; nobody is told."""
        row.state = "DELETED"
        self.world.pay_coupons.touch(row.code)

    def of_user(self, openid: str, stock_id: str, state: str) -> list[PayCoupon]:
        return [
            one
            for one in self.world.pay_coupons
            if one.openid == openid and stock_id in ("", one.stock_id) and state in ("", one.state)
        ]

    def shown(self, row: PayCoupon) -> dict[str, Any]:
        """A user's coupon as WeChat Pay answers it."""
        order = {"out_trade_no": row.order_no} if row.order_no else None
        usage = {
            "use_request_no": row.use_request_no,
            "use_time": _time(row.used),
            "return_time": _time(row.returned),
            "associated_order_info": order,
        }
        told = {
            "coupon_code": row.code,
            "coupon_state": row.state,
            "valid_begin_time": _time(row.received),
            "valid_end_time": _time(row.valid_to),
            "receive_time": _time(row.received),
            "send_request_no": row.send_request_no,
            "send_channel": "API" if row.send_request_no else "BRAND_MANAGE",
            "confirm_time": _time(row.confirmed),
            "deactivate_time": _time(row.deactivated),
            "single_usage_detail": {name: value for name, value in usage.items() if value is not None} or None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _once(
        self,
        row: PayCoupon,
        verb: str,
        body: dict[str, Any],
        allowed: tuple[str, ...],
        change: Callable[[], None],
        *,
        tells: str = "",
    ) -> dict[str, Any]:
        number = f"{verb}:{body['out_request_no']}"
        if number in row.done:
            return self.shown(row)
        if row.state not in allowed:
            raise PayError(400, "INVALID_REQUEST", f"the coupon is {row.state}")
        change()
        row.done.append(number)
        self.world.pay_coupons.touch(row.code)
        if tells:
            self._tell(tells, row)
        return self.shown(row)

    def _tell(self, what: str, row: PayCoupon) -> None:
        brand = self.brand(row.brand_id)
        if not brand.notify_url:
            return
        named = {
            "product_coupon_id": row.product_id,
            "stock_id": row.stock_id,
            "appid": row.appid,
            "openid": row.openid,
            "brand_id": row.brand_id,
        }
        fields = {
            "Event": f"PRODUCT_COUPON.{what}",
            "id": self.world.make_id("notice", 36),
            "create_time": _time(self.world.now()),
            "brand_id": row.brand_id,
            "resource": self.shown(row) | named,
        }
        self.world.emit(f"{PREFIX}{row.brand_id}", fields)

    def time(self, epoch: float) -> str:
        """A moment as WeChat Pay writes it."""
        return str(_time(epoch))


def _stock(row: PayStock) -> dict[str, Any]:
    return {
        "product_coupon_id": row.product_id,
        "stock_id": row.stock_id,
        "state": row.state,
        "coupon_code_mode": row.code_mode,
        "stock_send_rule": {"max_count": row.most, "max_count_per_user": row.most_per_user},
    }


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _time(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(int(epoch), CHINA).isoformat()
