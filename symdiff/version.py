"""The version, which files and cached code carry."""

VERSION = "0.1.0"
DISTRIBUTION = "symdiff-compiler"
"""What is installed is called so; the package that is imported is `symdiff`."""
