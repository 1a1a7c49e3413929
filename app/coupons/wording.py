"""A coupon's worth in a shopper's words (Simplified Chinese)."""

from __future__ import annotations

from .rules import FULL_BP, Terms


def yuan(fen: int) -> str:
    """Fen as people write a price: ¥50, ¥12.50."""
    whole, rest = divmod(fen, 100)
    return f"¥{whole:,}" if rest == 0 else f"¥{whole:,}.{rest:02}"


def offer(terms: Terms) -> str:
    """What a coupon gives, in a few words: 满¥300减¥50, 享8.5折 最高减¥100."""
    above = f"满{yuan(terms.threshold_fen)}" if terms.threshold_fen else ""
    if terms.kind == "percent":
        folds = (FULL_BP - terms.percent_bp) / 1000
        most = f" 最高减{yuan(terms.cap_fen)}" if terms.cap_fen else ""
        return f"{above}享{folds:g}折{most}" if folds else f"{above}免单{most}"
    if terms.kind == "gift":
        return f"{above}送礼品一份"
    if terms.kind == "shipping":
        return f"{above}免运费" + (f" 最高{yuan(terms.amount_fen)}" if terms.amount_fen else "")
    return f"{above}减{yuan(terms.amount_fen)}" if above else f"立减{yuan(terms.amount_fen)}"
