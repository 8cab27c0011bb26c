"""A shop with planted truth: event logs as a company would have them, and the answers beside them."""
