"""Decompositions of tensors: canonical polyadic, Tucker, and their functional forms."""
