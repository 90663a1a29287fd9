"""Matrices from some of their entries: `complete` and its methods, one file each."""
