"""Machine code in this process, and what calls it: nothing here writes or compiles code, so a call needs little."""
