"""At home with PyTorch (the extra ``torch``)."""

from fastrnn.torch.converting import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
