"""The answers, as tables: who is who, what truly happened, what was planted and what is wrong on purpose."""
