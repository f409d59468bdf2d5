"""The graph convolution: the published formula, its fast form, its gradients, half precision."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from engine.pose2mesh.chebyshev import SparseMatrix, basis, convolve


@pytest.fixture
def laplacian() -> SparseMatrix:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((6, 6)) * (rng.random((6, 6)) < 0.4)
    return SparseMatrix(sp.csr_matrix(dense + dense.T)).double()


@pytest.fixture
def upsample() -> SparseMatrix:
    return SparseMatrix(sp.csr_matrix(np.eye(3)[[0, 0, 1, 2, 2, 2]])).double()


def _dense(matrix: SparseMatrix) -> torch.Tensor:
    return matrix(torch.eye(matrix.shape[1], dtype=matrix.values.dtype))


def test_basis_is_the_published_one_with_k_fastest(laplacian: SparseMatrix) -> None:
    x = torch.randn(6, 2, 4, dtype=torch.float64)
    matrix = _dense(laplacian)
    second = 2 * matrix @ matrix - torch.eye(6)
    for b in range(2):
        for k, operator in enumerate((torch.eye(6).double(), matrix, second)):
            torch.testing.assert_close(basis(x, laplacian)[:, b, k::3], operator @ x[:, b])


def test_convolution_equals_the_basis_times_the_weights(laplacian: SparseMatrix) -> None:
    x, linear = torch.randn(6, 2, 4, dtype=torch.float64), torch.nn.Linear(12, 5).double()
    expected = F.linear(basis(x, laplacian), linear.weight, linear.bias)
    torch.testing.assert_close(convolve(x, laplacian, linear), expected, rtol=0, atol=1e-13)


def test_upsampling_commutes_with_the_dense_products(laplacian: SparseMatrix, upsample: SparseMatrix) -> None:
    x, linear = torch.randn(3, 2, 4, dtype=torch.float64), torch.nn.Linear(12, 5).double()
    expected = convolve(x[[0, 0, 1, 2, 2, 2]], laplacian, linear)
    torch.testing.assert_close(convolve(x, laplacian, linear, upsample), expected, rtol=0, atol=1e-13)


def test_gradients(laplacian: SparseMatrix, upsample: SparseMatrix) -> None:
    linear = torch.nn.Linear(12, 5).double()
    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *p: convolve(p[0], laplacian, linear, upsample), (x, *linear.parameters())
    )
    wide = SparseMatrix(sp.random(4, 7, 0.5, random_state=0)).double()
    assert torch.autograd.gradcheck(wide, (torch.randn(7, 3, dtype=torch.float64, requires_grad=True),))


def test_half_precision_training_step(laplacian: SparseMatrix) -> None:
    linear, laplacian = torch.nn.Linear(12, 5), laplacian.float()
    x = torch.randn(6, 2, 4, requires_grad=True)
    exact = convolve(x, laplacian, linear)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = convolve(x, laplacian, linear)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.1)
    rounded.float().sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()


def test_matrices_stay_out_of_state_dicts(laplacian: SparseMatrix) -> None:
    assert not laplacian.state_dict()
