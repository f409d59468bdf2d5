"""The Chebyshev graph convolution of order K = 3 (Defferrard et al. 2016, equations 4 and 5).

    y = T0 W0 + T1 W1 + T2 W2 + b,   T0 = X,  T1 = L X,  T2 = 2 L T1 - X

Features are laid out (N, B, F): nodes first, so that the sparse product sees a (N, B F) matrix and the dense
product a (N B, F) one without a copy. As every step is linear, `convolve` multiplies by the weights first:

    y = X (W0 - W2) + L (X W1 + L (X 2 W2)) + b

which needs no concatenated basis, works on the narrower side where a layer narrows, and lets a layer that
follows an upsampling do its dense products before it, on half the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

K = 3


class SparseMatrix(nn.Module):
    """A constant sparse (rows, columns) matrix that multiplies (columns, ...) tensors, with a gradient.

    Kept as compressed rows and multiplied by `embedding_bag` (a sum of weighted rows), which is faster than
    torch's CSR product on CPUs and, unlike it, knows bfloat16. Not part of any state dict.
    """

    columns: Tensor
    starts: Tensor
    values: Tensor
    t_columns: Tensor
    t_starts: Tensor
    t_values: Tensor

    def __init__(self, matrix: sp.spmatrix) -> None:
        super().__init__()
        rows = sp.csr_matrix(matrix).astype(np.float32)
        self.shape = (int(rows.shape[0]), int(rows.shape[1]))
        for prefix, part in (("", rows), ("t_", sp.csr_matrix(rows.T))):
            part.sort_indices()
            self.register_buffer(
                prefix + "columns", torch.from_numpy(part.indices.astype(np.int64)), persistent=False
            )
            self.register_buffer(
                prefix + "starts", torch.from_numpy(part.indptr[:-1].astype(np.int64)), persistent=False
            )
            self.register_buffer(prefix + "values", torch.from_numpy(part.data.copy()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(columns, ...) to (rows, ...)."""
        flat = x.reshape(self.shape[1], -1)
        product: Tensor = _Product.apply(flat, self)  # type: ignore[no-untyped-call]
        return product.view(self.shape[0], *x.shape[1:])


def _bags(x: Tensor, columns: Tensor, starts: Tensor, values: Tensor) -> Tensor:
    return F.embedding_bag(columns, x, starts, mode="sum", per_sample_weights=values.to(x.dtype))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return _bags(x, matrix.columns, matrix.starts, matrix.values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        matrix: SparseMatrix = ctx.matrix
        return _bags(grad.contiguous(), matrix.t_columns, matrix.t_starts, matrix.t_values), None


def basis(x: Tensor, laplacian: SparseMatrix) -> Tensor:
    """T0, T1, T2 of x (N,B,F) as the published network arranges them: (N, B, 3F), column f*3 + k."""
    first = laplacian(x)
    second = 2.0 * laplacian(first) - x
    return torch.stack((x, first, second), dim=-1).flatten(-2)


def convolve(
    x: Tensor, laplacian: SparseMatrix, linear: nn.Linear, upsample: SparseMatrix | None = None
) -> Tensor:
    """One graph convolution.

    Args:
        x: (N, B, F) features, or (N', B, F) on the coarser graph when `upsample` is given.
        laplacian: (N, N).
        linear: the layer's published parameters, weight (G, 3F) with column f*3 + k.
        upsample: (N, N') copies the features of the coarser graph's nodes to their children.

    Returns:
        (N, B, G).
    """
    w0, w1, w2 = linear.weight.view(linear.out_features, -1, K).unbind(-1)
    parts = F.linear(x, w0 - w2, linear.bias), F.linear(x, w1), F.linear(x, 2.0 * w2)
    if upsample is not None:
        parts = upsample(parts[0]), upsample(parts[1]), upsample(parts[2])
    y: Tensor = parts[0] + laplacian(parts[1] + laplacian(parts[2]))
    return y
