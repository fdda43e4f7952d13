"""Attention that stays inside a document."""

import torch
from torch.nn.functional import scaled_dot_product_attention


def document_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who may look at whom: bool (B, 1, T, T), True where the key is in the query's document and not after it.

    `segments` is int (B, T). Every query sees at least itself, so no softmax is over nothing. Made once a batch.
    """
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]  # (B, T, T)
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return (same & causal)[:, None]


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Scaled dot-product attention: q (B, H, T, D), k and v (B, K, T, D) with K dividing H, mask of `document_mask`."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:  # written out, because the CUDA kernels that take a mask do not take grouped heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, H, T, D)
