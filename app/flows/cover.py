"""The cover picture of a mini-program card: WeCom wants an uploaded one, and keeps uploads for three days."""

from __future__ import annotations

import struct
import zlib

from redis.exceptions import RedisError

from app.core import redis
from app.wechat.wecom import WeCom

WIDTH, HEIGHT = 520, 416  # pixels, the shape WeCom shows (WeCom docs, path/92137)
COLOUR = bytes((7, 193, 96))
KEEP_SECONDS = 2 * 86400


def media_id(gateway: WeCom) -> str:
    """The media id of the cover in the gateway's corp; uploaded again when it is about to expire."""
    key = f"siyu:cover:{gateway.app.corp_id}"
    try:
        known = redis.connection().get(key)
    except RedisError:
        known = None
    if isinstance(known, bytes):
        return known.decode()
    media = gateway.upload_media("image", filename="cover.png", content=picture(), content_type="image/png")
    try:
        redis.connection().set(key, media.media_id, ex=KEEP_SECONDS)
    except RedisError:
        pass  # the next card uploads again
    return media.media_id


def picture() -> bytes:
    """A plain PNG of the card's shape."""
    row = b"\x00" + COLOUR * WIDTH
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * HEIGHT, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
