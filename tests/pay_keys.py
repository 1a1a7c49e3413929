"""An account at WeChat Pay for tests, with keys made anew for each run and shared by its workers."""

from __future__ import annotations

import os

from app.wechat.simulator.engine.pay import pem_pair

BRAND_ID = "120344"
SERIAL_NO = "5A5A5A5A5A5A5A5A"
PLATFORM_ID = "PUB_KEY_ID_0000000001"
API_V3_KEY = "0123456789abcdefghijklmnopqrstuv"


def pay_environment() -> dict[str, str]:
    """The product's names, and WeChat Pay's own key for its stand-in."""
    if "SIMULATOR_WXPAY_KEY" not in os.environ:
        private, public = pem_pair()
        platform_private, platform_public = pem_pair()
        os.environ |= {
            "WXPAY_PRIVATE_KEY": private,
            "SIYU_TEST_WXPAY_OWN": public,
            "SIMULATOR_WXPAY_KEY": platform_private,
            "WXPAY_PUBLIC_KEY": platform_public,
        }
    names = ("WXPAY_PRIVATE_KEY", "SIYU_TEST_WXPAY_OWN", "SIMULATOR_WXPAY_KEY", "WXPAY_PUBLIC_KEY")
    return {name: os.environ[name] for name in names} | {
        "WXPAY_BRAND_ID": BRAND_ID,
        "WXPAY_SERIAL_NO": SERIAL_NO,
        "WXPAY_API_V3_KEY": API_V3_KEY,
        "WXPAY_PUBLIC_KEY_ID": PLATFORM_ID,
        "WXPAY_API_BASE": "http://wxpay.test",
    }


def pay_brand() -> dict[str, str]:
    """The same account as WeChat Pay knows it (see engine.pay.put_brand)."""
    return {
        "brand_id": BRAND_ID,
        "serial_no": SERIAL_NO,
        "public_key": os.environ["SIYU_TEST_WXPAY_OWN"],
        "platform_key": os.environ["SIMULATOR_WXPAY_KEY"],
        "platform_id": PLATFORM_ID,
        "api_v3_key": API_V3_KEY,
        "notify_url": f"/hooks/wxpay/{BRAND_ID}",
    }
