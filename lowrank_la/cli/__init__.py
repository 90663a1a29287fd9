"""The command ``lowrank-la``: decompositions of matrices and tensors in files, a line or one JSON object an answer."""

from . import decompose, entries, look, samples, tensors
from .app import app, main

__all__ = ["app", "decompose", "entries", "look", "main", "samples", "tensors"]
