"""Benchmarks anyone can run: ratios, since seconds depend on the machine."""
