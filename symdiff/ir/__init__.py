"""The graph that every part works on."""
