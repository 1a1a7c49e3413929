"""What stores are owed for the coupons they took, month by month, and the closing of a month's books."""
