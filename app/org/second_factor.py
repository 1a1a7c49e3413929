"""One-time codes of console users (RFC 6238: 30 seconds, six digits), and recovery codes for a lost phone.

A code is spent by one conditional UPDATE, so the same code cannot open two sessions, whoever else has seen it.
"""

from __future__ import annotations

import hmac
import secrets

import pyotp
from sqlalchemy import update

from app.core import clock, crypto
from app.core.db import session
from app.core.errors import Conflict

from .models import AdminUser
from .rules import FACTOR_CONTEXT

STEP_SECONDS = 30
DRIFT_STEPS = 1  # a phone's clock may be half a minute off
RECOVERY_CODES = 10
ISSUER = "Siyu"


class FactorStands(Conflict):
    code, message = "second_factor_stands", "A second factor is set up already: remove it first."


def begin(*, admin_id: int) -> str:
    """A new seed for a user without a second factor, as an otpauth:// URI; not asked for until confirmed."""
    admin = _locked(admin_id)
    if admin.factor_since is not None:
        raise FactorStands()
    seed = pyotp.random_base32()
    admin.factor_secret = crypto.encrypt(seed, context=FACTOR_CONTEXT)
    return pyotp.TOTP(seed).provisioning_uri(name=admin.login, issuer_name=ISSUER)


def confirm(*, admin_id: int, code: str) -> list[str] | None:
    """Ask for codes from now on, if this one is right; the recovery codes, shown this once. None: the code is wrong."""
    admin = _locked(admin_id)
    if admin.factor_since is not None:
        raise FactorStands()
    if admin.factor_secret is None or not _spend_step(admin, code):
        return None
    codes = [f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _ in range(RECOVERY_CODES)]
    admin.factor_since, admin.recovery_codes = clock.now(), [_mark(admin_id, one) for one in codes]
    return codes


def spend(*, admin_id: int, code: str) -> bool:
    """Whether a one-time or recovery code is right and was not used before; it is used up by this."""
    admin = session.get_one(AdminUser, admin_id, populate_existing=True)
    return admin.factor_secret is not None and (_spend_step(admin, code) or _spend_recovery(admin_id, code))


def remove(*, admin_id: int) -> None:
    """Forget a user's second factor: at the user's own word with a code, or at an administrator's for a lost phone."""
    admin = _locked(admin_id)
    admin.factor_secret, admin.factor_since, admin.recovery_codes = None, None, []


def _locked(admin_id: int) -> AdminUser:
    return session.get_one(AdminUser, admin_id, populate_existing=True, with_for_update=True)


def _spend_step(admin: AdminUser, code: str) -> bool:
    totp = pyotp.TOTP(crypto.decrypt(admin.factor_secret or "", context=FACTOR_CONTEXT))
    now = int(clock.now().timestamp()) // STEP_SECONDS
    # Every candidate is compared, so that the time taken does not tell which one was near.
    right = [
        step
        for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
        if hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.strip().encode())
    ]
    if not right:
        return False
    spent = session.scalar(
        update(AdminUser)
        .where(AdminUser.id == admin.id, AdminUser.factor_step < right[-1])
        .values(factor_step=right[-1])
        .returning(AdminUser.id),
        execution_options={"synchronize_session": "fetch"},
    )
    return spent is not None


def _spend_recovery(admin_id: int, code: str) -> bool:
    mark = _mark(admin_id, code.strip().lower())
    spent = session.scalar(
        update(AdminUser)
        .where(AdminUser.id == admin_id, AdminUser.recovery_codes.has_key(mark))
        .values(recovery_codes=AdminUser.recovery_codes.op("-")(mark))
        .returning(AdminUser.id),
        execution_options={"synchronize_session": "fetch"},
    )
    return spent is not None


def _mark(admin_id: int, code: str) -> str:
    return crypto.mac("org.recovery", f"{admin_id}:{code}".encode()).hex()
