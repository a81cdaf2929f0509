"""Circuits as pictures: what is in them, where a library puts it, and how it is drawn."""
