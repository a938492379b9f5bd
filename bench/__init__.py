"""Benchmarks: `python -m bench` prints how long polint takes, as ratios that hold on any machine."""
