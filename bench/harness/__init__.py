"""The parts of the benchmark harness; bench/run.py puts them together, bench/README.md says what they measure."""
