"""Sparse derivatives: which entries there can be, colours of columns, and the values of the entries alone."""
