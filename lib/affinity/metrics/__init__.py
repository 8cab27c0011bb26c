"""How good an output is: one row per customer first, the mean last."""
