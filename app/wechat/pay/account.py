"""An account at WeChat Pay: who signs, with which key, and whose signatures are believed. Keys never show in a repr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

PAY_API = "https://api.mch.weixin.qq.com"
LEAST_BITS = 2048


class KeyUnreadable(ValueError):
    """A key that is none, is not RSA or is too short. The text says which, never what was in it."""


@dataclass(frozen=True)
class PayAccount:
    """`id`: the brand's id at WeChat Pay, or a merchant's (`brand=False`): each has its own name for the signature.

    serial_no: of our API certificate. api_v3_key: 32 bytes that notices are sealed with. platform_keys: what WeChat
    Pay signs with, by serial number or public key id (`PUB_KEY_ID_..`); the first one is what we name in requests.
    mchid: the merchant that orders with coupons are paid to, named beside their numbers; without it no order is.
    """

    id: str
    serial_no: str
    private_key: RSAPrivateKey = field(repr=False)
    api_v3_key: bytes = field(repr=False)
    platform_keys: Mapping[str, RSAPublicKey] = field(repr=False)
    api_base: str = PAY_API
    brand: bool = True
    mchid: str = ""

    @property
    def scheme(self) -> str:
        return "WECHATPAY-BRAND-SHA256-RSA2048" if self.brand else "WECHATPAY2-SHA256-RSA2048"

    @property
    def platform_serial(self) -> str:
        return next(iter(self.platform_keys))


def private_key(pem: str) -> RSAPrivateKey:
    """The private key of an API certificate (apiclient_key.pem)."""
    try:
        key = load_pem_private_key(_armoured(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnreadable("no PEM private key") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise KeyUnreadable(f"an RSA key of at least {LEAST_BITS} bits is needed")
    return key


def public_key(pem: str) -> RSAPublicKey:
    """WeChat Pay's public key, or that of one of its platform certificates."""
    data = _armoured(pem)
    try:
        if b"BEGIN CERTIFICATE" in data:
            key = load_pem_x509_certificate(data).public_key()
        else:
            key = load_pem_public_key(data)  # type: ignore[assignment]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnreadable("no PEM public key or certificate") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_BITS:
        raise KeyUnreadable(f"an RSA key of at least {LEAST_BITS} bits is needed")
    return key


def _armoured(pem: str) -> bytes:
    # Environments that hold one line only write the line feeds as \n.
    return pem.replace("\\n", "\n").strip().encode() + b"\n"
