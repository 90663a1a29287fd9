"""Estimators of a stream of rows: small states that can be merged, saved and resumed."""
