"""Reads a Spec Kitty repository, from disk or from a git tree, and never changes it."""
