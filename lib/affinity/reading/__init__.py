"""From the bytes of landed files to typed rows by a source mapping: one query, in any process, without Spark."""
