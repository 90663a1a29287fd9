"""Which rows matter, and how to draw them: scores, row sampling, determinantal and volume sampling."""
