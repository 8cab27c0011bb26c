"""The doors: one spark-submit program per job, and the command line over the same jobs."""
