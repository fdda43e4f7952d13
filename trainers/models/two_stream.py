"""XLNet's two-stream transformer, with parameters named as in HuggingFace's XLNetLMHeadModel.

The content stream h reads the tokens; the query stream g starts from one learned vector and knows of its own token
only where it stands (Yang et al. 2019, section 2.3); positions are relative (Dai et al. 2019), layers are post-norm.
Rows are read in random order, so there is no previous segment to remember: mem_len is 0.

Shapes: B rows, T positions, N predicted positions, C width, H heads, D head width, V vocabulary.
"""

import dataclasses
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainers.models.sizes import Size
from trainers.row import NOBODY

NORM_EPSILON = 1e-12
INITIAL_DEVIATION = 0.02


@dataclasses.dataclass(frozen=True)
class View:
    """What the queries of one stream look at: Q is T for the content stream, N for the query stream."""

    distances: torch.Tensor  # int64 (B, 1, Q, T): the row of the encodings of a query's distance to a key
    seen: torch.Tensor  # bool (B, 1, Q, T): True where the query may look at the key


class RelativeAttention(nn.Module):
    """Attention by content and by distance, added to the stream and normalized; both streams have the same weights."""

    seg_embed: torch.Tensor
    r_s_bias: torch.Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        projection = (size.width, size.heads, size.head_width)
        self.q, self.k, self.v, self.o, self.r = (nn.Parameter(torch.empty(projection)) for _ in range(5))
        self.r_w_bias = nn.Parameter(torch.empty(projection[1:]))  # of all queries, for content
        self.r_r_bias = nn.Parameter(torch.empty(projection[1:]))  # and for distance
        # Whether two tokens are of one segment is not learned, as rows have no pairs of segments; zeros say nothing.
        self.register_buffer("r_s_bias", torch.zeros(projection[1:]))
        self.register_buffer("seg_embed", torch.zeros(2, *projection[1:]))
        self.layer_norm = nn.LayerNorm(size.width, eps=NORM_EPSILON)

    def forward(
        self, streams: list[tuple[torch.Tensor, View]], content: torch.Tensor, encodings: torch.Tensor
    ) -> list[torch.Tensor]:
        """Streams (B, Q, C) that look at the content (B, T, C), encodings (2T, C) -> the streams (B, Q, C)."""
        k = torch.einsum("btc,chd->bhtd", content, self.k)
        v = torch.einsum("btc,chd->bhtd", content, self.v)
        r = torch.einsum("pc,chd->hdp", encodings, self.r)
        return [self._attended(x, view, k, v, r) for x, view in streams]

    def _attended(self, x: torch.Tensor, view: View, k: torch.Tensor, v: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        q = torch.einsum("bqc,chd->bhqd", x, self.q)
        places = torch.matmul(q + self.r_r_bias[:, None], r)  # (B, H, Q, 2T): by distance
        places = places.gather(3, view.distances.expand(-1, q.shape[1], -1, -1))  # (B, H, Q, T): by key
        bias = (places * q.shape[-1] ** -0.5).masked_fill(~view.seen, -torch.inf)
        q = (q + self.r_w_bias[:, None]).type_as(v)
        heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.type_as(v))
        attended: torch.Tensor = self.layer_norm(torch.einsum("bhqd,chd->bqc", heads, self.o) + x)
        return attended


class FeedForward(nn.Module):
    """GELU, added to the stream and normalized; four times the width, as in the paper: `size.hidden` is for gates."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(size.width, eps=NORM_EPSILON)
        self.layer_1 = nn.Linear(size.width, 4 * size.width)
        self.layer_2 = nn.Linear(4 * size.width, size.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, Q, C) -> (B, Q, C)."""
        y: torch.Tensor = self.layer_norm(self.layer_2(functional.gelu(self.layer_1(x))) + x)
        return y


class Layer(nn.Module):
    """Attention and feed-forward, of each stream."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.rel_attn = RelativeAttention(size)
        self.ff = FeedForward(size)

    def forward(
        self, streams: list[tuple[torch.Tensor, View]], content: torch.Tensor, encodings: torch.Tensor
    ) -> list[torch.Tensor]:
        """As RelativeAttention."""
        return [self.ff(x) for x in self.rel_attn(streams, content, encodings)]


class Transformer(nn.Module):
    """What XLNetLMHeadModel keeps under the name `transformer`."""

    def __init__(self, size: Size, *, vocab_size: int) -> None:
        super().__init__()
        self.word_embedding = nn.Embedding(vocab_size, size.width)
        self.mask_emb = nn.Parameter(torch.empty(1, 1, size.width))
        self.layer = nn.ModuleList(Layer(size) for _ in range(size.layers))

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        ranks: torch.Tensor | None = None,
        predicted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Int (B, T) four times and (B, N) -> states of the predicted positions (B, N, C).

        Without `predicted`, the states of the content stream (B, T, C); without `ranks`, all of a piece is seen.
        """
        length = inputs.shape[1]
        seen = visible(segments, torch.full_like(segments, -1) if ranks is None else ranks)
        # Row p of the encodings is of the distance T - p, query minus key.
        distances = length - positions[:, :, None] + positions[:, None, :]  # (B, T, T)
        itself = torch.eye(length, dtype=torch.bool, device=inputs.device)
        h: torch.Tensor = self.word_embedding(inputs)
        content = View(distances[:, None], (seen | itself)[:, None])
        encodings = sinusoids(length, h.shape[-1], inputs.device)
        if predicted is None:
            for layer in self.layer:
                (h,) = layer([(h, content)], h, encodings)
            return h
        chosen = predicted.clamp(min=0)[:, :, None].expand(-1, -1, length)  # (B, N, T)
        # A place that predicts nothing sees everything, so that no softmax is over nothing.
        asked = seen.gather(1, chosen) | (predicted == NOBODY)[:, :, None]
        query = View(distances.gather(1, chosen)[:, None], asked[:, None])
        g: torch.Tensor = self.mask_emb.expand(*predicted.shape, -1)
        for layer in self.layer[:-1]:
            h, g = layer([(h, content), (g, query)], h, encodings)
        (g,) = self.layer[-1]([(g, query)], h, encodings)  # nothing looks at the content any more
        return g


class Bias(nn.Module):
    """What the head adds to the logits of each token; its matrix is the embedding."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(vocab_size))


class TwoStream(nn.Module):
    """Tokens and an order of prediction in, the distribution of each predicted token out; pieces are kept apart.

    The head is tied to the embedding, whatever `size.tied` says.
    """

    def __init__(self, size: Size, *, vocab_size: int) -> None:
        super().__init__()
        self.transformer = Transformer(size, vocab_size=vocab_size)
        self.lm_loss = Bias(vocab_size)

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        ranks: torch.Tensor,
        predicted: torch.Tensor,
    ) -> torch.Tensor:
        """Int (B, T) four times; `predicted`, int (B, N), is where to predict, NOBODY for nowhere -> logits (B, N, V).

        A predicted position should have another one of its piece to see: one of rank -1, or of a lower rank.
        """
        states = self.transformer(inputs, segments, positions, ranks, predicted)
        return functional.linear(states, self.transformer.word_embedding.weight, self.lm_loss.bias)


def visible(segments: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
    """Bool (B, T, T): True where the key is in the query's piece and not hidden from it, from int (B, T) twice.

    All of a piece see what is not predicted, of rank -1, and what is predicted only those of higher rank; so nothing
    here sees itself, but what is not predicted.
    """
    known = ranks[:, None, :] < ranks[:, :, None].clamp(min=0)
    return known & (segments[:, :, None] == segments[:, None, :])


def sinusoids(length: int, width: int, device: torch.device) -> torch.Tensor:
    """The encodings of the distances `length` down to 1 - `length`, sines then cosines, float32 (2 * length, width)."""
    frequencies = 10_000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angles = torch.arange(length, -length, -1, device=device)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def build(size: Size, *, vocab_size: int, sequence_length: int, seed: int) -> TwoStream:
    """A model in float32 on the CPU, initialized from `seed` alone; any `sequence_length` gives the same model.

    Normal with deviation 0.02; biases of the linear layers, of the norms and of the head 0, as in HuggingFace.
    """
    del sequence_length
    with torch.device("meta"):
        model = TwoStream(size, vocab_size=vocab_size)
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if name.endswith("layer_norm.weight"):
            nn.init.ones_(parameter)
        elif name.endswith(".bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=INITIAL_DEVIATION, generator=generator)
    for buffer in model.buffers():
        nn.init.zeros_(buffer)
    return model


def config(size: Size, *, vocab_size: int, sequence_length: int, end_of_text_id: int) -> dict[str, Any]:
    """The config.json with which transformers loads the state dict as it is; lengths have no bound."""
    del sequence_length
    return {
        "architectures": ["XLNetLMHeadModel"],
        "model_type": "xlnet",
        "vocab_size": vocab_size,
        "d_model": size.width,
        "n_layer": size.layers,
        "n_head": size.heads,
        "d_head": size.head_width,
        "d_inner": 4 * size.width,
        "ff_activation": "gelu",
        "attn_type": "bi",
        "bi_data": False,
        "clamp_len": -1,
        "same_length": False,
        "mem_len": 0,
        "reuse_len": 0,
        "use_mems_eval": False,
        "use_mems_train": False,
        "initializer_range": INITIAL_DEVIATION,
        "layer_norm_eps": NORM_EPSILON,
        "dropout": 0.0,
        "tie_word_embeddings": True,
        "pad_token_id": end_of_text_id,
        "bos_token_id": end_of_text_id,
        "eos_token_id": end_of_text_id,
        "dtype": "float32",
    }
