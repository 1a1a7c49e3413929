"""Coupons: campaigns with a stock, members' coupons, redemptions at the till."""
