"""Cross-checks with other programs, closed forms and direct dynamics: `python -m benchmarks.validation`."""
