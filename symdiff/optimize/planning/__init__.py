"""From a graph of arrays to a plan: what is fused, in which order, and where it lies in memory."""
