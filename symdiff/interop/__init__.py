"""The functions beside what people have: one file for each library, imported when it is asked for."""
