"""Names the organisation's ciphertexts are bound to (see core.crypto), and the limits of guessing passwords."""

from datetime import timedelta

ACCOUNT_CONTEXT = "org.platform_account"
API_SECRET_CONTEXT = "org.api_client"
FACTOR_CONTEXT = "org.admin_user.factor"

LOGIN_TRIES = 10
LOGIN_LOCK = timedelta(minutes=15)
