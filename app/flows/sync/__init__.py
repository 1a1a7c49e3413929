"""Reconciliation: reading all of WeCom again and putting right what callbacks lost.

A run reads one corp step by step (departments, staff, tags, customers, groups). Each turn is one delivery: read what
is next (transaction) -> ask WeCom (none open) -> apply and write down how far the run has come (transaction), so
killing it anywhere loses nothing. What WeCom does not list any more is only noted while reading; it is believed at the
end, when every list it could be missing from was read to its last page, and not at all when it is suspiciously much.
"""
