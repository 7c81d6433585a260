"""Scaling laws: fitted, with intervals, checked on what they did not see, and asked for the next run."""
