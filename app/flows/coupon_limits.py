"""How often codes may be tried and coupons claimed, and what becomes of it when it was too often.

A code is 60 random bits: what protects it is that nobody may try many. Wrong codes are counted, for whoever tries them
and for the store they are tried in; codes themselves are not kept. A code that is right costs nothing here: until
somebody has tried too many, all that is asked is a dictionary of the process. Each process lets one more wrong code
through before it has heard that the limit is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from app.core import clock, crypto, rates
from app.core.errors import SiyuError, TooManyRequests
from app.core.slots import Slot
from app.coupons import codes, queries
from app.coupons.errors import CodeReplayed, CouponUnknown
from app.coupons.fraud import commands, watch
from app.coupons.fraud.events import LimitHit
from app.org import queries as org

# Wrong codes a minute. A person types or scans one in a few seconds, and most are right; one key may serve many stores.
WRONG_IN_STORE, WRONG_OF_CALLER = 20, 120
REPLAYS = 3  # of one coupon's rotating codes within a minute, before somebody looks at it
CLAIMS_OF_MEMBER = 30  # a minute, refused ones too
# Redeem codes a minute. A wrong one counts as a right one: who guesses one in 2^60 with a million good ones does so for
# thousands of years.
EXCHANGES_OF_MEMBER, EXCHANGES_OF_ADDRESS = 10, 60
_MEMBER_BATCH, _ADDRESS_BATCH = 5, 50
_claims_of_address = 3000


def configure(claims_per_address: int) -> None:
    """How many claims a minute may come from one address: behind it may be all phones of a store, or a network's."""
    global _claims_of_address
    _claims_of_address = claims_per_address


@contextmanager
def trying_codes(*, brand_id: int, store_id: int, caller: str, shown: Sequence[str]) -> Iterator[None]:
    """Price or redeem the codes that were shown in the block. TooManyRequests when too many wrong ones were tried.

    `caller` names who tries: `till:<key>`, `desk:<user>`. A CouponUnknown in the block is counted and raised on.
    """
    refuse_guessers(store_id=store_id, caller=caller)
    try:
        yield
    except CouponUnknown:
        count_wrong(brand_id=brand_id, store_id=store_id, caller=caller)
        raise
    except CodeReplayed:
        _count_replay(brand_id, store_id, shown)
        raise


def refuse_guessers(*, store_id: int, caller: str) -> None:
    """TooManyRequests when the caller or the store has tried too many wrong codes in this minute."""
    rates.refuse_shut_out("coupon.code", f"store:{store_id}")
    rates.refuse_shut_out("coupon.code", caller)


def count_wrong(*, brand_id: int, store_id: int, caller: str, times: int = 1) -> None:
    """Count wrong codes; TooManyRequests when they are too many, instead of an answer about them."""
    for who, most in ((f"store:{store_id}", WRONG_IN_STORE), (caller, WRONG_OF_CALLER)):
        counted = rates.count("coupon.code", who, times=times)
        if counted.times > most:
            rates.shut_out("coupon.code", who)
            if counted.times - times <= most:  # these passed the limit, which happens once a window
                _tell(brand_id, "wrong_codes", who, counted, store_id=store_id)
            raise TooManyRequests(retry_after=counted.seconds_left)


def claiming(*, brand_id: int, member_id: int, address: str) -> None:
    """Count a claim, before it is made; TooManyRequests when the member or the address makes too many.

    Told to Redis in batches, so that a rush costs little: a limit may be passed by a batch for each process.
    """
    for who, most, batch in (
        (f"member:{member_id}", CLAIMS_OF_MEMBER, _MEMBER_BATCH),
        (f"address:{address}", _claims_of_address, _ADDRESS_BATCH),
    ):
        rates.refuse_shut_out("coupon.claim", who)
        counted = rates.count_batched("coupon.claim", who, batch=batch)
        if counted is not None and counted.times > most:
            rates.shut_out("coupon.claim", who)
            if counted.times - batch <= most:  # this batch passed the limit, which happens to one process
                _tell(brand_id, "claim_burst", who, counted, member_id=None if who.startswith("address") else member_id)
            raise TooManyRequests(retry_after=counted.seconds_left)


def exchanging(*, brand_id: int, member_id: int, address: str) -> None:
    """Count a redeem code, before it is looked at; TooManyRequests when the member or the address tries too many."""
    for who, most in ((f"member:{member_id}", EXCHANGES_OF_MEMBER), (f"address:{address}", EXCHANGES_OF_ADDRESS)):
        counted = rates.count("coupon.exchange", who)
        if counted.times > most:
            if counted.times == most + 1:
                told = None if who.startswith("address") else member_id
                _tell(brand_id, "wrong_codes", who, counted, member_id=told)
            raise TooManyRequests(retry_after=counted.seconds_left)


def on_limit_hit(event: LimitHit) -> None:
    """A limit was met: flag it, once a window."""
    commands.flag(
        brand_id=event.brand_id,
        rule=event.rule,
        subject=event.subject,
        window_from=datetime.fromisoformat(event.window_from),
        count=event.tries,
        evidence={"window_seconds": event.window_seconds, "last_at": event.window_from},
        member_id=event.member_id,
        store_id=event.store_id,
    )


def look(slot: Slot) -> None:
    """Slot coupons.watch: look at what was redeemed and claimed in every brand since the last time."""
    for brand in org.brands():
        watch.look(brand.id)


def _count_replay(brand_id: int, store_id: int, shown: Sequence[str]) -> None:
    """Count the rotating codes among these that were used before, each for its coupon."""
    for text in shown:
        try:
            code = codes.read(text, clock.now())
            coupon = queries.by_code(brand_id, code.code)
        except SiyuError:
            continue  # that one was not refused for being shown again
        if code.step is None or coupon.code_step is None or code.step > coupon.code_step:
            continue
        who = f"coupon:{coupon.coupon_id}"
        counted = rates.count("coupon.replay", who)
        if counted.times == REPLAYS:
            _tell(brand_id, "codes_replayed", who, counted, store_id=store_id, member_id=coupon.member_id)


def _tell(
    brand_id: int,
    rule: str,
    who: str,
    counted: rates.Counted,
    *,
    store_id: int | None = None,
    member_id: int | None = None,
) -> None:
    if who.startswith("address:"):  # personal data: a flag needs to know it again, not to read it
        who = f"address:{crypto.mac('coupon.address', who.encode()).hex()[:16]}"
    commands.tell_limit(
        LimitHit(
            brand_id=brand_id,
            member_id=member_id,
            rule=rule,
            subject=who,
            tries=counted.times,
            window_from=datetime.fromtimestamp(counted.minute * rates.WINDOW_SECONDS, tz=UTC).isoformat(),
            window_seconds=rates.WINDOW_SECONDS,
            store_id=store_id,
        )
    )
