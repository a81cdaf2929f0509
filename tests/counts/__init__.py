"""How many operations derivatives take: `python -m tests.counts` writes docs/operation-counts.md."""
