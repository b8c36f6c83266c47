"""Run with `python -m unittest` in this project. What needs a server starts the `gibson` that is on PATH."""
