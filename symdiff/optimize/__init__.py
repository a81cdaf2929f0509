"""From a graph of tensors and functions to the few scalar operations that native code is made of."""
