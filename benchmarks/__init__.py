"""Benchmarks that anyone can run. What counts are ratios, since seconds depend on the machine."""
