"""Structured derivatives: of whole arrays by whole arrays, with identities and diagonals kept symbolic."""
