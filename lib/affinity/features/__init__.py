"""What is known of customers, items and baskets before a date: pure functions from silver rows to frames."""
