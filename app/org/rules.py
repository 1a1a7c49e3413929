"""Names the organisation's ciphertexts are bound to (see core.crypto)."""

ACCOUNT_CONTEXT = "org.platform_account"
API_SECRET_CONTEXT = "org.api_client"
