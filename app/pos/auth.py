"""Who calls: an API key with an HMAC signature, scoped to a brand and some of its stores.

    X-Siyu-Key: key_...
    X-Siyu-Timestamp: 1767225600        seconds, at most 300 away from ours
    X-Siyu-Signature: hex HMAC-SHA256 with the key's secret over these lines, joined by line feeds:
                      method, path with its query string, timestamp, Idempotency-Key or nothing, hex SHA-256 of the body

The idempotency key is signed too, so a captured request can only be repeated as itself.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from flask import g, request

from app.core import crypto
from app.core.errors import NotFound, Unauthorized
from app.core.idempotency import checked_key
from app.core.transaction import reading
from app.org import queries as org
from app.org.rules import API_SECRET_CONTEXT

WINDOW_SECONDS = 300
KEPT_SECONDS = 5.0
_KEPT = 1000

View = TypeVar("View", bound=Callable[..., Any])


class BadSignature(Unauthorized):
    code, message = "bad_signature", "The key is unknown or the signature does not fit the request."


class StaleTimestamp(Unauthorized):
    code, message = "stale_timestamp", f"X-Siyu-Timestamp must be within {WINDOW_SECONDS} seconds of our clock."


class StoreUnknown(NotFound):
    code, message = "store_unknown", "There is no such store, or it is outside the key's scope."


class StoreRef(NamedTuple):
    """A store a caller may act in; `dealer_id` None: the brand's own."""

    store_id: int
    code: str
    dealer_id: int | None
    region_id: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """The caller of this request: its brand, and the stores it may act in by code."""

    brand_id: int
    client_id: int
    secret: bytes
    stores: Mapping[str, StoreRef]

    @property
    def key_scope(self) -> str:
        """The scope of the caller's idempotency keys."""
        return f"pos:{self.client_id}"

    def check_store(self, code: str) -> StoreRef:
        """The store behind a code; StoreUnknown where the key does not reach, too."""
        store = self.stores.get(code)
        if store is None:
            raise StoreUnknown()
        return store

    def reaches(self, store_id: int) -> bool:
        """Whether the key may act on something that was done in a store."""
        return any(store.store_id == store_id for store in self.stores.values())


# Keys, opened secrets and scopes, kept for seconds: a change of a key reaches every process that soon, and the hot
# path neither reads nor decrypts.
_clients: dict[str, tuple[float, Client]] = {}


def signed(view: View) -> View:
    """Let only well-signed requests through to a view; the caller is `g.client`."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        g.client = authenticate()
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]


def authenticate() -> Client:
    """The caller of the present request; BadSignature or StaleTimestamp."""
    environ = request.environ  # read directly: this runs on the hot path
    timestamp = environ.get("HTTP_X_SIYU_TIMESTAMP", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature()
    client = _client(environ.get("HTTP_X_SIYU_KEY", ""))
    if client is None:
        raise BadSignature()
    query = environ.get("QUERY_STRING", "")
    expected = signature(
        client.secret,
        method=environ["REQUEST_METHOD"],
        target=f"{request.path}?{query}" if query else request.path,
        timestamp=timestamp,
        idempotency_key=environ.get("HTTP_IDEMPOTENCY_KEY", ""),
        body=request.get_data(cache=True),
    )
    # compare_digest wants ASCII; a header may hold anything.
    if not hmac.compare_digest(expected.encode(), environ.get("HTTP_X_SIYU_SIGNATURE", "").encode()):
        raise BadSignature()
    if abs(int(timestamp) - time.time()) > WINDOW_SECONDS:
        raise StaleTimestamp()
    return client


def signature(
    secret: bytes, *, method: str, target: str, timestamp: str, idempotency_key: str = "", body: bytes = b""
) -> str:
    """The X-Siyu-Signature of a request; `target` is the path with its query string."""
    message = f"{method}\n{target}\n{timestamp}\n{idempotency_key}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.digest(secret, message.encode(), "sha256").hex()


def idempotency_key() -> str:
    """The request's Idempotency-Key; IdempotencyKeyMissing when there is none or it is no good."""
    return checked_key(request.headers.get("Idempotency-Key"))


def _client(key_id: str) -> Client | None:
    kept = _clients.get(key_id)
    moment = time.monotonic()
    if kept is not None and kept[0] > moment:
        return kept[1]
    with reading():
        client = _read(key_id)
    if client is None:
        _clients.pop(key_id, None)
        return None
    if len(_clients) >= _KEPT:
        _clients.clear()
    _clients[key_id] = (moment + KEPT_SECONDS, client)
    return client


def _read(key_id: str) -> Client | None:
    row = org.api_client(key_id)
    if row is None or row.status != "active":
        return None
    return Client(
        brand_id=row.brand_id,
        client_id=row.id,
        secret=crypto.decrypt(row.secret, context=API_SECRET_CONTEXT).encode(),
        stores={
            store.code: StoreRef(store.id, store.code, store.dealer_id, store.region_id)
            for store in org.stores(row.brand_id)
            if row.store_ids is None or store.id in row.store_ids
        },
    )
