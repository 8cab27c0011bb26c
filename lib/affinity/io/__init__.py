"""Every side effect: settings, files, tables, audits, models, sessions and the runner."""
