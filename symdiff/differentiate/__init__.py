"""Differentiation: walks over a graph that append the derivative's nodes to it."""
