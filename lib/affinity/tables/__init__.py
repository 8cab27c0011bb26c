"""Tables and models as data: one specification each, from which everything else about them is made."""
