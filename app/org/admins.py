"""Console users: their accounts, passwords and the count of wrong ones. Passwords are hashed with argon2id."""

from __future__ import annotations

import functools
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import case, or_, select, update

from app.core import clock
from app.core.db import session
from app.core.errors import Conflict, Invalid

from .models import AdminUser
from .rules import LOGIN_LOCK, LOGIN_TRIES

PASSWORD_LENGTH = 12
PASSWORD_VARIETY = 5  # different characters

_hasher = PasswordHasher()


class LoginTaken(Conflict):
    code, message = "login_taken", "There is a console user of this login already."


class PasswordWeak(Invalid):
    code, message = "password_weak", f"A password has at least {PASSWORD_LENGTH} characters, not all alike."


def create_admin(
    *,
    login: str,
    password: str,
    name: str,
    role: str,
    brand_id: int | None = None,
    region_id: int | None = None,
    dealer_id: int | None = None,
    store_id: int | None = None,
    must_change_password: bool = False,
) -> AdminUser:
    """A new console user; the scope ids must fit the role (checked by the table). LoginTaken, PasswordWeak."""
    if session.scalar(select(AdminUser.id).where(AdminUser.login == login)) is not None:
        raise LoginTaken()
    row = AdminUser(
        login=login,
        password_hash=_hashed(password),
        name=name,
        role=role,
        brand_id=brand_id,
        region_id=region_id,
        dealer_id=dealer_id,
        store_id=store_id,
        must_change_password=must_change_password,
    )
    session.add(row)
    session.flush()
    return row


def set_password(*, admin_id: int, password: str, must_change: bool = False) -> None:
    """Give a user another password and open a locked account; PasswordWeak."""
    session.execute(
        update(AdminUser)
        .where(AdminUser.id == admin_id)
        .values(
            password_hash=_hashed(password), must_change_password=must_change, failed_attempts=0, locked_until=None
        ),
        execution_options={"synchronize_session": "fetch"},
    )


def set_status(*, admin_id: int, active: bool) -> None:
    """Let a user in or keep them out; what they are signed in with stops working at once."""
    session.execute(
        update(AdminUser)
        .where(AdminUser.id == admin_id)
        .values(status="active" if active else "disabled", failed_attempts=0, locked_until=None),
        execution_options={"synchronize_session": "fetch"},
    )


def is_locked(admin: AdminUser) -> bool:
    """Whether wrong passwords keep the user out for the moment."""
    return admin.locked_until is not None and admin.locked_until > clock.now()


def new_password() -> str:
    """A first password to hand over: its owner has to change it."""
    return secrets.token_urlsafe(12)


def begin_login(*, login: str) -> AdminUser | None:
    """Count an attempt before its password is looked at, so that parallel guesses cannot outrun the count.

    None when there is no such active user or the account is locked. The attempt that reaches the limit locks the
    account for a while; a later good password (`end_login`) forgets the count.
    """
    moment = clock.now()
    tries = case((AdminUser.locked_until <= moment, 1), else_=AdminUser.failed_attempts + 1)
    return session.scalar(
        update(AdminUser)
        .where(
            AdminUser.login == login,
            AdminUser.status == "active",
            or_(AdminUser.locked_until.is_(None), AdminUser.locked_until <= moment),
        )
        .values(failed_attempts=tries, locked_until=case((tries >= LOGIN_TRIES, moment + LOGIN_LOCK), else_=None))
        .returning(AdminUser)
        .execution_options(populate_existing=True)
    )


def password_matches(admin: AdminUser | None, password: str) -> bool:
    """Whether the password is the user's. As slow for a user that is not there; call it outside a transaction."""
    try:
        return _hasher.verify(admin.password_hash if admin else _nobody(), password) and admin is not None
    except VerificationError:
        return False


def end_login(*, admin_id: int) -> None:
    """Forget failed attempts after a good password."""
    session.execute(
        update(AdminUser).where(AdminUser.id == admin_id).values(failed_attempts=0, locked_until=None),
        execution_options={"synchronize_session": "fetch"},
    )


def _hashed(password: str) -> str:
    if len(password) < PASSWORD_LENGTH or len(set(password)) < PASSWORD_VARIETY:
        raise PasswordWeak()
    return _hasher.hash(password)


@functools.cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))
