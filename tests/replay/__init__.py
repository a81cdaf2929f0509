"""Digests of what is compiled, for changes that must not change it."""
