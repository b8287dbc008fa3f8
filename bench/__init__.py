"""Measurements, run by hand: a script each, ratios in one run; see docs/performance.md."""
