"""Functions: formulas with arguments, and what can be made of them."""
