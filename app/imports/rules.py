"""What the files of each kind hold: their columns, the headers those go by, and which of them are personal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import HeaderWrong

CHUNK_CONTEXT = "imports.chunk"  # what stored rows of a file are sealed for
# How a cell is read. Money is given in fen or, under another header, in yuan.
TEXT, WHOLE, MONEY, MOMENT, DAY = "text", "whole", "money", "moment", "day"


@dataclass(frozen=True)
class Field:
    """A column. `headers` are other names it goes by; `yuan` those under which money is in yuan. Names compare without
    case, spaces and width. `most` is the longest text."""

    name: str
    headers: tuple[str, ...]
    kind: str = TEXT
    required: bool = False
    personal: bool = False
    yuan: tuple[str, ...] = ()
    most: int = 64


@dataclass(frozen=True)
class Layout:
    """The file of one kind. Rows with one value of `group` belong together and are never torn apart."""

    kind: str
    fields: tuple[Field, ...]
    group: str | None = None
    chunk: int = 5_000

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


_STORE = Field("store", ("门店编码", "门店代码", "门店", "store_code"))
_BUYER = (
    Field("phone", ("手机号", "手机", "手机号码", "会员手机", "mobile"), personal=True),
    Field("card_no", ("卡号", "会员卡号", "card"), personal=True),
    Field("member", ("会员编号", "会员id", "member_id", "member_no"), personal=True, most=128),
)
_HEAD = (
    Field("order_no", ("订单号", "单号", "小票号", "销售单号", "order"), required=True),
    _STORE,
    Field("paid_at", ("付款时间", "支付时间", "销售时间", "交易时间", "下单时间", "order_time"), MOMENT),
    Field("channel", ("渠道",)),
    Field("guide", ("导购", "导购userid", "导购编号", "店员", "userid")),
    *_BUYER,
)

LAYOUTS: Mapping[str, Layout] = {
    layout.kind: layout
    for layout in (
        Layout(
            "stores",
            (
                Field("code", ("门店编码", "门店代码", "编码", "store_code"), required=True),
                Field("name", ("门店名称", "名称", "store_name"), required=True, most=128),
                Field("region", ("区域", "区域编码", "大区"), required=True),
                Field("dealer", ("经销商", "经销商编码", "加盟商")),
                Field("department_id", ("部门id", "企微部门id", "部门"), WHOLE),
                Field("status", ("状态", "门店状态")),
            ),
        ),
        Layout(
            "guides",
            (
                Field("userid", ("企微账号", "企业微信账号", "导购userid", "账号"), required=True),
                Field("name", ("姓名", "导购姓名"), required=True),
                Field("store", (*_STORE.headers, "所属门店"), required=True),
                Field("role", ("职位", "岗位", "角色")),
                Field("status", ("状态", "在职状态")),
            ),
        ),
        Layout(
            "members",
            (
                Field(
                    "source_id",
                    ("会员编号", "会员id", "member_id", "id", "来源编号"),
                    required=True,
                    personal=True,
                    most=128,
                ),
                Field("phone", ("手机号", "手机", "手机号码", "mobile"), personal=True),
                Field("card_no", ("卡号", "会员卡号", "card"), personal=True),
                Field("unionid", ("微信unionid",), personal=True, most=128),
                Field("mall_account", ("商城账号", "商城会员", "mall"), personal=True, most=128),
                Field("staff_id", ("员工编号", "工号"), personal=True, most=128),
                Field("name", ("姓名", "会员姓名"), personal=True),
                Field("gender", ("性别", "sex")),
                Field("birthday", ("生日", "出生日期", "birth_date"), DAY, personal=True),
                Field("store", (*_STORE.headers, "归属门店", "开卡门店", "home_store")),
                Field("guide", ("导购", "专属导购", "导购userid", "userid")),
                Field("joined_at", ("入会时间", "注册时间", "开卡时间"), MOMENT),
                Field("tags", ("标签",), most=1000),
                Field("tier", ("等级", "会员等级", "等级编码", "level")),
                Field("points", ("积分", "期初积分", "积分余额"), WHOLE),
                Field("growth", ("成长值", "期初成长值"), WHOLE),
            ),
            chunk=4_000,
        ),
        Layout(
            "orders",
            (
                *_HEAD,
                Field("total_fen", ("原价(分)", "总额(分)"), MONEY, yuan=("total", "原价", "总额", "应收金额")),
                Field("discount_fen", ("优惠(分)",), MONEY, yuan=("discount", "优惠", "优惠金额", "优惠(元)")),
                Field(
                    "paid_fen",
                    ("实付(分)", "实收(分)"),
                    MONEY,
                    required=True,
                    yuan=("paid", "实付", "实付金额", "实收金额", "实付(元)"),
                ),
            ),
            chunk=20_000,
        ),
        Layout(
            "order_lines",
            (
                *_HEAD,
                Field("line_no", ("行号", "序号"), WHOLE),
                Field("sku", ("商品编码", "货号", "条码", "sku_code"), required=True),
                Field("name", ("商品名称", "商品", "product"), most=128),
                Field("category", ("品类", "类目", "商品分类")),
                Field("quantity", ("数量", "件数", "qty"), WHOLE, required=True),
                Field("unit_fen", ("单价(分)",), MONEY, yuan=("unit_price", "price", "单价", "吊牌价", "单价(元)")),
                Field("amount_fen", ("金额(分)",), MONEY, yuan=("amount", "金额", "原价金额", "金额(元)")),
                Field("discount_fen", ("优惠(分)",), MONEY, yuan=("discount", "优惠", "优惠金额", "优惠(元)")),
                Field("paid_fen", ("实付(分)",), MONEY, yuan=("paid", "实付", "实付金额", "成交金额", "实付(元)")),
                Field(
                    "order_paid_fen",
                    ("整单实付(分)",),
                    MONEY,
                    yuan=("order_paid", "整单实付", "订单实付", "订单金额", "整单实付(元)"),
                ),
            ),
            group="order_no",
            chunk=30_000,
        ),
        Layout(
            "refunds",
            (
                Field("refund_no", ("退款单号", "退货单号", "退单号", "refund"), required=True),
                Field("order_no", ("原订单号", "订单号", "原单号", "order"), required=True),
                _STORE,
                Field("refunded_at", ("退款时间", "退货时间", "refund_time"), MOMENT, required=True),
                Field("line_no", ("行号", "原单行号"), WHOLE),
                Field(
                    "amount_fen",
                    ("退款(分)", "退款金额(分)"),
                    MONEY,
                    required=True,
                    yuan=("amount", "退款", "退款金额", "退款金额(元)"),
                ),
                Field("quantity", ("退货数量", "数量", "qty"), WHOLE),
                Field("reason", ("原因", "退款原因"), most=200),
            ),
            group="refund_no",
            chunk=5_000,
        ),
    )
}

_DROPPED = re.compile(r"[\s*_\ufeff]+")


@dataclass(frozen=True)
class Column:
    """A column of the file that is used: where it stands, the field it fills, and whether its money is in yuan."""

    position: int
    field: Field
    in_yuan: bool = False


def columns(kind: str, header: Sequence[str], mapping: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """The columns of a file by its header; columns nobody knows are passed over.

    `mapping` says what a header of the file means: a field's name, or a field's name and `@yuan`. Raises HeaderWrong
    for two columns of one meaning, a missing required one, or a mapping to nothing.
    """
    layout = LAYOUTS[kind]
    names = _names(layout)
    for given, meaning in (mapping or {}).items():
        name, _, unit = meaning.partition("@")
        if name not in {field.name for field in layout.fields} or unit not in ("", "yuan"):
            raise HeaderWrong(unknown=[meaning])
        names[_plain(given)] = (layout.field(name), unit == "yuan")
    found: dict[str, Column] = {}
    for position, given in enumerate(header):
        if (known := names.get(_plain(given))) is None:
            continue
        if known[0].name in found:
            raise HeaderWrong(doubled=[known[0].name])
        found[known[0].name] = Column(position, *known)
    if missing := [field.name for field in layout.fields if field.required and field.name not in found]:
        raise HeaderWrong(missing=missing)
    _check_together(kind, set(found))
    return tuple(found.values())


def _check_together(kind: str, found: set[str]) -> None:
    """What only some of which is needed: the head of an order's lines as a whole, an amount in some way."""
    if kind == "orders" and (missing := sorted({"store", "paid_at"} - found)):
        raise HeaderWrong(missing=missing)
    if kind == "order_lines":
        if len(found & {"store", "paid_at"}) == 1:
            raise HeaderWrong(missing=sorted({"store", "paid_at"} - found))
        if not found & {"unit_fen", "amount_fen", "paid_fen"}:
            raise HeaderWrong(missing=["amount_fen"])


def has_heads(columns: Sequence[str]) -> bool:
    """Whether lines come with the head of their order (else they are those of orders imported before)."""
    return "paid_at" in columns


def template(kind: str) -> list[str]:
    """The header row of an empty file of a kind, in Chinese."""
    names = ((*field.yuan, *field.headers, field.name) for field in LAYOUTS[kind].fields)
    return [next((name for name in given if not name.isascii()), given[0]) for given in names]


def redacted(field: Field, value: str | None) -> str | None:
    """A cell as error reports show it: cut short, and personal values by their ends only."""
    if value is None:
        return None
    if not field.personal:
        return value[:64]
    if len(value) < 8:
        return value[:1] + "*" * (len(value) - 1)
    return f"{value[:3]}****{value[-4:]}"


def _names(layout: Layout) -> dict[str, tuple[Field, bool]]:
    names: dict[str, tuple[Field, bool]] = {}
    for field in layout.fields:
        for name in (field.name, *field.headers):
            names.setdefault(_plain(name), (field, False))
        for name in field.yuan:
            names.setdefault(_plain(name), (field, True))
    return names


def _plain(header: str) -> str:
    return _DROPPED.sub("", unicodedata.normalize("NFKC", header)).casefold()
