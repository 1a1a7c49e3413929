"""Privacy: consent, opt-outs and what is left of the erased."""
