"""How a graph is shown: as text that parses again, LaTeX, Python source, a drawing."""
