"""Functions that leave Python: objects and libraries with a C interface, and what goes with them."""
