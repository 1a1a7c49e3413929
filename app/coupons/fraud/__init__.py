"""What looks like misuse of coupons: rules, flags for people to decide on. A flag never stops a till by itself."""
