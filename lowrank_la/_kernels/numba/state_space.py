"""Filter and adjoint recursion of several processes with one state-space model and joint pseudo-observations."""

import math

import numpy as np

from ._jit import jit


@jit
def product(A, B, out):
    """``out = A B``."""
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            value = 0.0
            for k in range(A.shape[1]):
                value += A[i, k] * B[k, j]
            out[i, j] = value


@jit
def add_product(A, B, out, sign):
    """``out += sign · A B``."""
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            value = 0.0
            for k in range(A.shape[1]):
                value += A[i, k] * B[k, j]
            out[i, j] += sign * value


@jit
def step_rows(T, X, out):
    """Rows of `out` are those of `X` after the transition `T` (s, s), which is the same for all channels."""
    s = T.shape[0]
    R = X.shape[0] // s
    for a in range(s):
        for r in range(R):
            for j in range(X.shape[1]):
                value = 0.0
                for c in range(s):
                    value += T[a, c] * X[c * R + r, j]
                out[a * R + r, j] = value


@jit
def add_noise(Q, P):
    """Add the covariance `Q` (s, s) of every channel to `P`."""
    s = Q.shape[0]
    R = P.shape[0] // s
    for a in range(s):
        for b in range(s):
            for r in range(R):
                P[a * R + r, b * R + r] += Q[a, b]


@jit
def symmetrise(P):
    """Replace `P` by its symmetric part."""
    for i in range(P.shape[0]):
        for j in range(i):
            value = 0.5 * (P[i, j] + P[j, i])
            P[i, j] = value
            P[j, i] = value


@jit
def eliminate(B, X, j):
    """One step of Gaussian elimination with row exchanges on `B` and the right sides `X`; returns the pivot."""
    n, pivot = B.shape[0], j
    for i in range(j + 1, n):
        if abs(B[i, j]) > abs(B[pivot, j]):
            pivot = i
    if pivot != j:
        for c in range(n):
            B[j, c], B[pivot, c] = B[pivot, c], B[j, c]
        for c in range(X.shape[1]):
            X[j, c], X[pivot, c] = X[pivot, c], X[j, c]
    for i in range(j + 1, n):
        factor = B[i, j] / B[j, j]
        for c in range(j + 1, n):
            B[i, c] -= factor * B[j, c]
        for c in range(X.shape[1]):
            X[i, c] -= factor * X[j, c]
    return B[j, j]


@jit
def solve_with_determinant(B, X):
    """Overwrite the columns of `X` with ``B⁻¹ X`` and `B` with its triangles; returns log |det B|."""
    n, total = B.shape[0], 0.0
    for j in range(n):
        total += math.log(abs(eliminate(B, X, j)))
    for j in range(n - 1, -1, -1):
        for c in range(X.shape[1]):
            value = X[j, c]
            for i in range(j + 1, n):
                value -= B[j, i] * X[i, c]
            X[j, c] = value / B[j, j]
    return total


@jit
def innovate(precision, shift, m, P, B, X):
    """Weigh a pseudo-observation of the first R states; returns its log-evidence.

    The first R columns of `X` become ``(I + ΛC)⁻¹ Λ``, the next one ``(I + ΛC)⁻¹ (shift - Λ m)``.
    """
    R = shift.shape[0]
    evidence = 0.0
    for r in range(R):
        pull = shift[r]
        for q in range(R):
            value = 1.0 if r == q else 0.0
            for c in range(R):
                value += precision[r, c] * P[c, q]
            B[r, q] = value
            X[r, q] = precision[r, q]
            pull -= precision[r, q] * m[q, 0]
        X[r, R] = pull
        X[r, R + 1] = pull
        evidence += 0.5 * (shift[r] + pull) * m[r, 0]
    evidence -= 0.5 * solve_with_determinant(B, X[:, : R + 1])
    for r in range(R):
        for q in range(R):
            evidence += 0.5 * X[r, R + 1] * P[r, q] * X[q, R]
    return evidence


@jit
def filter_states(A, Q, precision, shift, mean, covariance, gains, weights, curvature):
    """Filter over the nodes, in place; returns the log-evidence of the pseudo-observations.

    State number ``a · R + r`` is component a of channel r. ``A[i]`` (s, s) leads from node i - 1 to node i and ``Q[i]``
    is the noise on the way; the first holds zeros and the stationary covariance. Outputs by node: filtered `mean` (S,)
    and `covariance` (S, S), `gains` (S, R) the predicted covariance with the values, `weights` (R,) and `curvature`
    (R, R), with which the adjoint recursion goes back.
    """
    nodes, R = A.shape[0], shift.shape[1]
    S = A.shape[1] * R
    m, P, half = np.zeros((S, 1)), np.zeros((S, S)), np.zeros((S, S))
    drift, B, X = np.zeros((S, 1)), np.zeros((R, R)), np.zeros((R, R + 2))
    evidence = 0.0
    for i in range(nodes):
        step_rows(A[i], m, drift)
        m[:, :] = drift
        step_rows(A[i], P, half)
        step_rows(A[i], half.T, P)
        add_noise(Q[i], P)
        symmetrise(P)
        evidence += innovate(precision[i], shift[i], m, P, B, X)
        weights[i] = X[:, R]
        curvature[i] = X[:, :R]
        symmetrise(curvature[i])
        gains[i] = P[:, :R]
        add_product(gains[i], X[:, R : R + 1], m, 1.0)
        product(gains[i], curvature[i], half[:, :R])
        add_product(half[:, :R], gains[i].T, P, -1.0)
        symmetrise(P)
        mean[i] = m[:, 0]
        covariance[i] = P
    return evidence


@jit
def smooth_states(A, mean, covariance, gains, weights, curvature, values, spread, slope, bend):
    """Go back from the last node, in place: smoothed `values` (R,) and their covariance `spread` (R, R) by node.

    `slope` (S,) and `bend` (S, S) are the adjoint state before each node: a state x predicted there with covariance P
    has the smoothed mean ``x - P slope`` and the smoothed covariance ``P - P bend P``.
    """
    nodes, R = A.shape[0], weights.shape[1]
    S = A.shape[1] * R
    g, G, half, M = np.zeros((S, 1)), np.zeros((S, S)), np.zeros((S, S)), np.zeros((R, S))
    drift = np.zeros((S, 1))
    for i in range(nodes - 1, -1, -1):
        P = covariance[i]
        product(P[:R, :], g, drift[:R, :])
        values[i] = mean[i, :R] - drift[:R, 0]
        product(P[:R, :], G, half[:R, :])
        spread[i] = P[:R, :R]
        add_product(half[:R, :], P[:, :R], spread[i], -1.0)
        symmetrise(spread[i])
        # with H the first R rows of the identity and M = curvature gainsᵀ: g ← g - Hᵀ(weights + M g),
        # G ← (I - HᵀM) G (I - MᵀH) + Hᵀ curvature H
        product(curvature[i], gains[i].T, M)
        product(M, g, drift[:R, :])
        g[:R, 0] -= weights[i] + drift[:R, 0]
        product(M, G, half[:R, :])
        G[:R, :] -= half[:R, :]
        product(G, M.T, half[:, :R])
        G[:, :R] -= half[:, :R]
        G[:R, :R] += curvature[i]
        symmetrise(G)
        slope[i] = g[:, 0]
        bend[i] = G
        step_rows(A[i].T, g, drift)
        g[:, :] = drift
        step_rows(A[i].T, G, half)
        step_rows(A[i].T, half.T, G)
