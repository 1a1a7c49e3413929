"""Names the ciphertexts of channels are bound to (see core.crypto)."""

CONTACT_CONTEXT = "channels.follow.contact"
SUITE_CONTEXT = "channels.suite_state"
