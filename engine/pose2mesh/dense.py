"""A dense layer for inference, its weights laid out once for this processor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dense(nn.Module):
    """(R, I) to (R, O): x Wᵀ + b, then perhaps a ReLU. Stays on the device it was made on.

    On CPUs oneDNN arranges the weights in its own blocks when the layer is made. That spares doing it in
    every call, which costs more than the product itself where a large layer meets few rows, and the bias and
    the ReLU cost no pass of their own. Elsewhere it is torch's plain product.

    Args:
        weight: (O, I). It is not kept where oneDNN holds its own copy.
        bias: (O,).
        rows: how many rows to expect; any number works.
        relu: whether a ReLU follows.
    """

    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, rows: int, relu: bool = False) -> None:
        super().__init__()
        self.outputs, self.inputs = (int(size) for size in weight.shape)
        self.dtype = weight.dtype
        self.relu = relu
        weight = weight.detach().contiguous()
        self.packed = packs(weight.dtype, weight.device)
        kind = torch.float32 if self.packed else weight.dtype
        self.register_buffer("bias", bias.detach().to(kind).contiguous(), persistent=False)
        # Kept out of the buffers: nothing but oneDNN can read its blocks.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows) if self.packed else weight

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """(R, I) of any float type to (R, O) of the layer's; `plus` (R, O) is added, without a ReLU."""
        x = x.to(self.dtype)
        y: Tensor
        if self.packed and plus is not None:
            bias = self.bias.to(self.dtype)  # asked for here only; elsewhere oneDNN adds it before it rounds
            y = torch.ops.mkldnn._linear_pointwise.binary(x, plus, self._weight, bias, "add")
            return y
        if self.packed:
            name = "relu" if self.relu else "none"
            y = torch.ops.mkldnn._linear_pointwise(x, self._weight, self.bias, name, [], "")
            return y
        y = F.linear(x, self._weight, self.bias)
        if plus is not None:
            return y.add_(plus)
        return y.relu_() if self.relu else y


class HalfStored(nn.Module):
    """As `Dense` on CPUs, in float32 but for the weights, which float16 keeps to 11 bits in half the memory.

    FBGEMM widens them on their way into the product. Where a large layer meets few rows, and reading its
    weights is the work, that takes less than half the time; with 64 rows it takes a tenth more.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool = False) -> None:
        super().__init__()
        self.outputs, self.inputs = (int(size) for size in weight.shape)
        self.relu = relu
        self._packed = torch.ops.quantized.linear_prepack_fp16(weight.detach().float(), bias.detach().float())

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """(R, I) to (R, O), float32; `plus` (R, O) is added, without a ReLU."""
        y: Tensor
        if plus is None and self.relu:
            y = torch.ops.quantized.linear_relu_dynamic_fp16(x.float(), self._packed)
            return y
        y = torch.ops.quantized.linear_dynamic_fp16(x.float(), self._packed)
        return y if plus is None else y.add_(plus)


def halves(weight: Tensor, device: torch.device) -> bool:
    """Whether FBGEMM is here and float16 reaches as far as the weights do."""
    return (
        device.type == "cpu"
        and torch.backends.quantized.engine in ("x86", "fbgemm")
        and hasattr(torch.ops.quantized, "linear_prepack_fp16")
        and float(weight.abs().max()) < torch.finfo(torch.float16).max
    )


def packs(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether oneDNN can lay out weights of this type for this device."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if device.type != "cpu" or not available:
        return False
    if not (
        hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    ):
        return False
    return dtype == torch.float32 or (
        dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )
