"""The version, which files and cached code carry."""

VERSION = "0.1.0"
