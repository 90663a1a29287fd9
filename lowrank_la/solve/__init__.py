"""Linear problems in many unknowns or many equations: sketched least squares, weighted least squares of functions."""
