"""RSA signatures and AES-256-GCM in plain Python, sharing nothing with the library the product uses.

For known answers only: slow, and not constant in time.
"""

from __future__ import annotations

import hashlib

_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017, 9.2)


def rsa_sign(n: int, d: int, message: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    size = (n.bit_length() + 7) // 8
    tail = _PREFIX + hashlib.sha256(message).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
    return pow(int.from_bytes(padded), d, n).to_bytes(size)


def gcm_seal(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    """AES-256-GCM with a nonce of twelve bytes: the ciphertext and its tag (NIST SP 800-38D)."""
    rounds = _expand(key)
    secret = int.from_bytes(_block(rounds, bytes(16)))
    stream = b"".join(
        _block(rounds, nonce + (number + 2).to_bytes(4)) for number in range((len(plain) + 15) // 16)
    )
    sealed = bytes(one ^ other for one, other in zip(plain, stream, strict=False))
    state = 0
    lengths = (len(bound) * 8).to_bytes(8) + (len(sealed) * 8).to_bytes(8)
    for part in (*_blocks(bound), *_blocks(sealed), lengths):
        state = _times(state ^ int.from_bytes(part), secret)
    tag = state ^ int.from_bytes(_block(rounds, nonce + (1).to_bytes(4)))
    return sealed + tag.to_bytes(16)


def _blocks(data: bytes) -> list[bytes]:
    return [data[start : start + 16].ljust(16, b"\x00") for start in range(0, len(data), 16)]


def _times(x: int, y: int) -> int:
    """In GF(2^128), bits reflected."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _double(byte: int) -> int:
    return (byte << 1 ^ 0x11B) & 0xFF if byte & 0x80 else byte << 1


def _boxes() -> list[int]:
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ _double(p)  # times three
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = 0
        for shift in range(5):
            turned ^= (q << shift | q >> (8 - shift)) & 0xFF
        box[p] = turned ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


_BOX = _boxes()


def _expand(key: bytes) -> list[bytes]:
    words = [key[start : start + 4] for start in range(0, 32, 4)]
    rcon = 1
    for number in range(8, 60):
        word = words[-1]
        if number % 8 == 0:
            word = bytes(_BOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon = _double(rcon)
        elif number % 8 == 4:
            word = bytes(_BOX[byte] for byte in word)
        words.append(bytes(one ^ other for one, other in zip(words[-8], word, strict=True)))
    return [b"".join(words[start : start + 4]) for start in range(0, 60, 4)]


def _block(rounds: list[bytes], block: bytes) -> bytes:
    """One block of AES-256."""
    state = bytes(one ^ other for one, other in zip(block, rounds[0], strict=True))
    for number, key in enumerate(rounds[1:], 1):
        state = bytes(_BOX[byte] for byte in state)
        state = bytes(state[(place + 4 * (place % 4)) % 16] for place in range(16))
        if number < 14:
            state = b"".join(_mixed(state[start : start + 4]) for start in range(0, 16, 4))
        state = bytes(one ^ other for one, other in zip(state, key, strict=True))
    return state


def _mixed(column: bytes) -> bytes:
    a, b, c, d = column
    return bytes(
        _double(one) ^ _double(two) ^ two ^ three ^ four
        for one, two, three, four in ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
    )
