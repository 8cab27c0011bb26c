"""One file per algorithm: a config, fit, apply, evaluate and, where the method allows it, explain."""
