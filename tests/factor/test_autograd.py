"""Torch gradients of `svd`: exact where they exist, a clear error where they don't."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import testing

torch = pytest.importorskip("torch")


def tensor(m, n, spectrum, dtype="float64", rng=0):
    return torch.from_numpy(testing.matrix(m, n, spectrum, dtype=dtype, rng=rng)).requires_grad_()


def gradcheck(function, A):
    return torch.autograd.gradcheck(function, (A,), eps=1e-6, atol=1e-6, rtol=1e-6)


SIMPLE = (5.0, 3.5, 2.0, 1.1, 0.6, 0.3)


@pytest.mark.parametrize("shape", [(8, 6), (6, 8), (7, 7)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_gradients_through_the_singular_values_are_exact(shape, dtype, rank):
    assert gradcheck(lambda A: lr.svd(A, rank, accuracy=1e-13, rng=0).s, tensor(*shape, SIMPLE, dtype))


@pytest.mark.parametrize("shape", [(8, 6), (6, 8), (7, 7)])
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_gradients_through_real_vectors_are_exact(shape, rank):
    assert gradcheck(lambda A: tuple(lr.svd(A, rank, accuracy=1e-13, rng=0))[::2], tensor(*shape, SIMPLE))


@pytest.mark.parametrize("shape", [(8, 6), (6, 8)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("rank", [2, 4])
def test_gradients_through_projectors_and_the_approximation_are_exact(shape, dtype, rank):
    def both(A):
        U, s, Vh = lr.svd(A, rank, accuracy=1e-13, rng=0)
        return (U * s) @ Vh, U @ U.mH, Vh.mH @ Vh

    assert gradcheck(lambda A: tuple(torch.view_as_real(x) if x.is_complex() else x for x in both(A)),
                     tensor(*shape, SIMPLE, dtype))  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_through_a_centred_decomposition_are_exact(dtype):
    def values(A):
        r = lr.svd(A, 3, center=True, accuracy=1e-13, rng=0)
        approximation = (r.U * r.s) @ r.Vh + r.mean
        return r.s, torch.view_as_real(approximation) if approximation.is_complex() else approximation

    assert gradcheck(values, tensor(8, 6, SIMPLE, dtype))


@pytest.mark.parametrize("method", ["krylov", "fused", "subspace", "gram", "dense"])
def test_every_method_has_the_gradient_of_torch(method):
    A = tensor(40, 30, "exponential_medium")
    B = A.detach().clone().requires_grad_()
    U, s, Vh = lr.svd(A, 4, method=method, accuracy=1e-13, rng=0)
    (((U * s**2) @ Vh).sin().sum() + s.log().sum()).backward()
    P, t, Qh = torch.linalg.svd(B, full_matrices=False)
    (((P[:, :4] * t[:4] ** 2) @ Qh[:4]).sin().sum() + t[:4].log().sum()).backward()
    assert torch.linalg.norm(A.grad - B.grad) <= 1e-9 * torch.linalg.norm(B.grad)


def test_single_precision_has_gradients_to_its_rounding():
    A = tensor(40, 30, "exponential_medium", "float32")
    B = A.detach().double().requires_grad_()
    lr.svd(A, 4, method="dense", rng=0).s.square().sum().backward()
    torch.linalg.svdvals(B)[:4].square().sum().backward()
    assert A.grad.dtype == torch.float32
    assert torch.linalg.norm(A.grad - B.grad) <= 1e-5 * torch.linalg.norm(B.grad)


def test_a_tolerance_has_gradients_too():
    A = tensor(40, 30, "exponential_medium")
    lr.svd(A, tol=1e-2, rng=0).s.sum().backward()
    assert torch.all(torch.isfinite(A.grad))


def test_gradients_flow_to_what_the_matrix_was_made_of():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    lr.svd(x * torch.eye(5, 4, dtype=torch.float64), 1, rng=0).s.sum().backward()
    assert abs(float(x.grad) - 1.0) <= 1e-12


@pytest.mark.parametrize("scale", [1e120, 1e-120])
def test_gradients_of_values_do_not_know_the_scale(scale):
    A = (torch.from_numpy(testing.matrix(20, 12, SIMPLE, rng=1)) * scale).requires_grad_()
    B = torch.from_numpy(testing.matrix(20, 12, SIMPLE, rng=1)).requires_grad_()
    for M in (A, B):
        lr.svd(M, 3, rng=0).s.sum().backward()
    assert torch.linalg.norm(A.grad - B.grad) <= 1e-9 * torch.linalg.norm(B.grad)


def test_repeated_values_have_a_gradient_through_the_values():
    A = tensor(8, 6, [2.0, 2.0, 1.0, 0.5])
    lr.svd(A, 2, rng=0).s.sum().backward()
    assert torch.all(torch.isfinite(A.grad))


@pytest.mark.parametrize("values", [[2.0, 2.0, 1.0, 0.5], [2.0, 1.0, 1.0, 0.5]])
def test_repeated_values_have_no_gradient_through_the_vectors(values):
    A = tensor(8, 6, values)
    U, _, _ = lr.svd(A, 3, rng=0)
    with pytest.raises(RuntimeError, match="distinct, nonzero singular values"):
        U[0].sum().backward()


def test_vanishing_values_have_no_gradient_through_the_vectors():
    A = tensor(8, 6, [2.0, 1.0])
    _, _, Vh = lr.svd(A, 3, rng=0)
    with pytest.raises(RuntimeError, match="distinct, nonzero singular values"):
        Vh[:, 0].sum().backward()


def test_a_cut_without_a_gap_has_no_gradient_through_the_vectors():
    A = tensor(8, 6, [3.0, 2.0, 2.0, 0.5])
    U, _, _ = lr.svd(A, 2, rng=0)
    with pytest.raises(RuntimeError, match="gap"):
        U[0].sum().backward()


def test_a_cut_without_a_gap_still_has_gradients_through_the_values():
    A = tensor(8, 6, [3.0, 2.0, 2.0, 0.5])
    lr.svd(A, 2, rng=0).s[0].backward()
    assert torch.all(torch.isfinite(A.grad))


def test_a_loss_that_depends_on_the_phase_is_refused():
    A = tensor(8, 6, SIMPLE, "complex128")
    U, _, _ = lr.svd(A, 2, rng=0)
    with pytest.raises(RuntimeError, match="phase of complex singular vectors"):
        U.imag.sum().backward()


def test_a_tracked_sparse_tensor_is_refused_with_advice():
    A = torch.eye(20, dtype=torch.float64).to_sparse_coo().requires_grad_()
    with pytest.raises(TypeError, match="detach it, or pass it dense"):
        lr.svd(A, 2, rng=0)


def test_without_tracking_there_is_no_graph():
    A = tensor(20, 12, SIMPLE)
    with torch.no_grad():
        r = lr.svd(A, 3, rng=0)
    assert not any(part.requires_grad for part in r)
    assert not any(part.requires_grad for part in lr.svd(A.detach(), 3, rng=0))


@pytest.mark.parametrize("wrap", [lambda A: A, lr.as_operator])
@pytest.mark.parametrize("function", ["qb", "eigh", "nystrom"])
def test_functions_without_gradients_refuse_a_tensor_that_records_them(function, wrap):
    A = torch.eye(12, dtype=torch.float64, requires_grad=True)
    with pytest.raises(TypeError, match=f"{function} has no gradients: pass A.detach"):
        getattr(lr, function)(wrap(A), 3, rng=0)
    with torch.no_grad():
        assert not any(part.requires_grad for part in getattr(lr, function)(A, 3, rng=0))


def test_an_operator_around_a_tensor_that_records_gradients_is_refused():
    A = torch.eye(12, dtype=torch.float64, requires_grad=True)
    with pytest.raises(TypeError, match="has no gradients"):
        lr.svd(lr.as_operator(A), 3, rng=0)


def test_a_tracked_tensor_is_not_modified():
    A = tensor(20, 12, SIMPLE)
    before = A.detach().clone()
    lr.svd(A, 3, rng=0).s.sum().backward()
    assert torch.equal(A.detach(), before)


def test_tracking_changes_no_factor():
    A = tensor(20, 12, SIMPLE)
    tracked, plain = lr.svd(A, 3, rng=0), lr.svd(A.detach(), 3, rng=0)
    assert all(np.array_equal(a.detach().numpy(), b.numpy()) for a, b in zip(tracked, plain, strict=True))
    assert tracked.info.error == plain.info.error
