"""Attention that stays inside a document, in four implementations that agree.

Shapes: B rows, T positions of a row, H heads, K key-value heads with K dividing H, D head width; S positions that are
looked at, where they are others.

- "dense": one call with a boolean mask; anywhere.
- "per_document": a call for each document, without a mask; on a CPU, where it costs less than one causal call over the
  row, since nobody computes what the mask would remove. Rows that are one document each are a single call.
- "varlen": torch's variable-length FlashAttention; bfloat16 or float16 on a GPU of compute capability 8.0 or more.
- "flex": torch's FlexAttention; on any GPU, compiled; on a CPU forward only.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import pad, scaled_dot_product_attention

IMPLEMENTATIONS = ("auto", "dense", "per_document", "flex", "varlen")


@dataclasses.dataclass(frozen=True)
class Documents:
    """Who may look at whom in a batch, in the form that one implementation takes; made once a batch by `documents`."""

    implementation: str
    causal: bool
    mask: torch.Tensor | None = None  # dense: bool (B, 1, T, T), True where the query may look at the key
    lengths: tuple[int, ...] = ()  # per_document: of all documents, row by row
    offsets: torch.Tensor | None = None  # varlen: int32 [n], where documents start in the B * T positions, then B * T
    blocks: BlockMask | None = None  # flex


# Not compiled: its result is as long as the batch has documents, and a graph would be made for each number of them.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def documents(
    segments: torch.Tensor, *, causal: bool, implementation: str = "auto", dtype: torch.dtype = torch.float32
) -> Documents:
    """What `attend` needs to know of `segments`, int (B, T): the number of each position's document in its row.

    A position sees its own document, up to itself where `causal`. The positions of a document lie side by side; padding
    (NOBODY) is a document like any other, so that every query sees at least itself. `dtype` is that of the products;
    under autocast it is autocast's.
    """
    if torch.is_autocast_enabled(segments.device.type):
        dtype = torch.get_autocast_dtype(segments.device.type)
    if implementation == "auto":
        implementation = _fastest(segments.device, dtype)
    if implementation == "dense":
        return Documents(implementation, causal, mask=document_mask(segments, causal=causal))
    if implementation == "per_document":
        return Documents(implementation, causal, lengths=tuple(_starts(segments).diff().tolist()))
    if implementation == "flex":
        if segments.device.type == "cpu" and torch.is_grad_enabled():
            raise ValueError(
                "--attention flex: expected a GPU, found a CPU, on which it has no gradients; use --attention auto"
            )
        return Documents(implementation, causal, blocks=_blocks(segments, causal=causal))
    if implementation == "varlen":
        _check_varlen(segments.device, dtype)
        return Documents(implementation, causal, offsets=_offsets(segments))
    raise ValueError(f"--attention: expected one of {', '.join(IMPLEMENTATIONS)}, found {implementation!r}")


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: Documents) -> torch.Tensor:
    """Scaled dot-product attention of each document to itself: q (B, H, T, D), k and v (B, K, T, D) -> (B, H, T, D)."""
    if seen.implementation == "dense":
        assert seen.mask is not None
        groups = q.shape[1] // k.shape[1]
        if groups > 1:  # written out, because the kernels that take a mask do not take grouped heads
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        return scaled_dot_product_attention(q, k, v, attn_mask=seen.mask)
    grouped = q.shape[1] != k.shape[1]
    if seen.implementation == "flex":
        found = _flex(q.device.type)(q, k, v, block_mask=seen.blocks, enable_gqa=grouped)
        assert isinstance(found, torch.Tensor)
        return found
    return _varlen(q, k, v, seen) if seen.implementation == "varlen" else _per_document(q, k, v, seen)


def document_mask(segments: torch.Tensor, keys: torch.Tensor | None = None, *, causal: bool = True) -> torch.Tensor:
    """Who may look at whom: bool (B, 1, T, S), True where the key is in the query's document, and not after it.

    `segments` is int (B, T). With `keys`, int (B, S), the queries look at other positions, as those of a decoder look
    at an encoder's, never causal; a query without any key sees all of them, so that no softmax is over nothing.
    """
    seen = segments[:, :, None] == (segments if keys is None else keys)[:, None, :]  # (B, T, S)
    if causal:
        assert keys is None, "causal attention is to the queries' own positions"
        seen &= torch.ones(seen.shape[1:], dtype=torch.bool, device=seen.device).tril()
    if keys is not None:
        seen |= ~seen.any(-1, keepdim=True)
    return seen[:, None]


def _fastest(device: torch.device, dtype: torch.dtype) -> str:
    if device.type == "cpu":
        return "per_document"
    if device.type != "cuda":
        return "dense"
    half = dtype in (torch.bfloat16, torch.float16)
    return "varlen" if half and torch.cuda.get_device_capability(device) >= (8, 0) and _has_varlen() else "flex"


def _starts(segments: torch.Tensor) -> torch.Tensor:
    """int64 [documents + 1]: where each document starts in the B * T positions, and B * T."""
    starts = torch.ones_like(segments, dtype=torch.bool)  # every row starts one
    starts[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return pad(starts.flatten().nonzero()[:, 0], (0, 1), value=segments.numel())


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _per_document(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: Documents) -> torch.Tensor:
    rows, _, length, _ = q.shape
    attention = functools.partial(
        scaled_dot_product_attention, is_causal=seen.causal, enable_gqa=q.shape[1] != k.shape[1]
    )
    if len(seen.lengths) == rows:
        return attention(q, k, v)
    # Split and cat are each other's gradients: slices would add a zeroed (B, H, T, D) for each document.
    flat = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))  # (B * T, H or K, D)
    parts = (torch.split(x, list(seen.lengths)) for x in flat)
    found = [attention(*(x.transpose(0, 1)[None] for x in part))[0] for part in zip(*parts, strict=True)]  # (H, n, D)
    return torch.cat([x.transpose(0, 1) for x in found]).view(rows, length, *found[0].shape[::2]).transpose(1, 2)


def _blocks(segments: torch.Tensor, *, causal: bool) -> BlockMask:
    rows, length = segments.shape
    edges = _starts(segments)
    at = torch.repeat_interleave(edges.diff(), output_size=segments.numel())  # [B * T]: the document of each position
    first = (edges[at] % length).view(rows, length)
    last = ((edges[at + 1] - 1) % length).view(rows, length)

    # Bounds, where the field compares documents: one look-up for a query and none for a key.
    def causally(b: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (key >= first[b, query]) & (key <= query)

    def both_ways(b: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (key >= first[b, query]) & (key <= last[b, query])

    seen = causally if causal else both_ways
    return create_block_mask(seen, rows, None, length, length, device=segments.device)


@functools.cache
def _flex(device_type: str) -> Callable[..., Any]:
    if device_type == "cpu":
        return flex_attention
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=False)  # else it computes all of T x T
    return compiled


def _offsets(segments: torch.Tensor) -> torch.Tensor:
    """Their number is a power of two plus one, so that few graphs see few sizes; documents after the last are empty."""
    starts = _starts(segments)
    documents = len(starts) - 1
    return pad(starts, (0, (1 << (documents - 1).bit_length()) - documents), value=segments.numel()).int()


def _varlen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: Documents) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    assert seen.offsets is not None
    rows, heads, length, _ = q.shape
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))  # (B * T, H or K, D)
    window = (-1, 0) if seen.causal else (-1, -1)
    # As many positions as a row has, whatever the longest document: a number that changes would be compiled anew.
    found = varlen_attn(
        q,
        k,
        v,
        seen.offsets,
        seen.offsets,
        length,
        length,
        window_size=window,
        enable_gqa=heads != k.shape[1],
    )
    assert isinstance(found, torch.Tensor)
    return found.view(rows, length, heads, -1).transpose(1, 2)


@functools.cache
def _has_varlen() -> bool:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return {"window_size", "enable_gqa"} <= inspect.signature(varlen_attn).parameters.keys()  # not in torch 2.10


def _check_varlen(device: torch.device, dtype: torch.dtype) -> None:
    half = dtype in (torch.bfloat16, torch.float16)
    if device.type != "cuda" or not half or not _has_varlen():
        raise ValueError(
            f"--attention varlen: expected bfloat16 or float16 on a CUDA GPU with torch 2.13 or later, found "
            f"{str(dtype).removeprefix('torch.')} on {device.type} with torch {torch.__version__}; use --attention auto"
        )
