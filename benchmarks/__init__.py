"""Rates of Firstboot beside those of a reference, taken in the same run. Start with ``python -m benchmarks``."""
