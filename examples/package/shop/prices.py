"""What things cost, in cents."""

PRICES = {"apple": 45, "pear": 60}
