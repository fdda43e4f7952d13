"""A T5 v1.1 encoder-decoder whose parameters are named as in HuggingFace's T5ForConditionalGeneration.

Pre-norm without means or biases, products without a scale, one learned bias for each bucket of distances, a gated GELU,
and a head of its own (Raffel et al. 2020; Shazeer 2020; the release notes of T5 v1.1).

Shapes: B rows, T positions of the encoder, N of the decoder, C width, H heads, D head width, V vocabulary.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainers.models.attention import document_mask
from trainers.models.sizes import Size

NORM_EPSILON = 1e-6
BUCKETS = 32  # of distances: half for each direction in the encoder, all for the past in the decoder
MAX_DISTANCE = 128  # from here on all distances are one bucket


class Attention(nn.Module):
    """Attention of one stack to itself or to another; in a stack's first block it holds the biases of the stack."""

    def __init__(self, size: Size, *, biased: bool = False) -> None:
        super().__init__()
        self.head_width = size.head_width
        self.q = nn.Linear(size.width, size.width, bias=False)
        self.k = nn.Linear(size.width, size.width, bias=False)
        self.v = nn.Linear(size.width, size.width, bias=False)
        self.o = nn.Linear(size.width, size.width, bias=False)
        if biased:
            self.relative_attention_bias = nn.Embedding(BUCKETS, size.heads)

    def forward(self, x: torch.Tensor, source: torch.Tensor | None, bias: torch.Tensor) -> torch.Tensor:
        """x (B, T, C), what it looks at (itself if None), and what is added to the products -> (B, T, C)."""
        source = x if source is None else source
        q, k, v = (
            projection(states).unflatten(-1, (-1, self.head_width)).transpose(1, 2)  # (B, H, T, D)
            for projection, states in ((self.q, x), (self.k, source), (self.v, source))
        )
        bias = bias if bias.dtype == torch.bool else bias.type_as(q)
        # The initial weights make up for the scale that is left out.
        heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
        mixed: torch.Tensor = self.o(heads.transpose(1, 2).flatten(-2))
        return mixed


class FeedForward(nn.Module):
    """GELU, in its form by tanh, gated by a second projection."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(size.width, size.hidden, bias=False)
        self.wi_1 = nn.Linear(size.width, size.hidden, bias=False)
        self.wo = nn.Linear(size.hidden, size.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        y: torch.Tensor = self.wo(functional.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))
        return y


class Sublayer(nn.Module):
    """x + inner(norm(x)), the inner module under HuggingFace's name for it."""

    def __init__(self, name: str, inner: nn.Module, *, width: int) -> None:
        super().__init__()
        self.name = name
        self.layer_norm = nn.RMSNorm(width, eps=NORM_EPSILON)
        self.add_module(name, inner)

    def forward(self, x: torch.Tensor, *others: torch.Tensor | None) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        y: torch.Tensor = x + self.get_submodule(self.name)(self.layer_norm(x), *others)
        return y


class Block(nn.Module):
    """Self-attention, in a decoder cross-attention, and feed-forward."""

    def __init__(self, size: Size, *, decoder: bool, first: bool) -> None:
        super().__init__()
        self.decoder = decoder
        inner: list[tuple[str, nn.Module]] = [("SelfAttention", Attention(size, biased=first))]
        if decoder:
            inner.append(("EncDecAttention", Attention(size)))
        inner.append(("DenseReluDense", FeedForward(size)))
        # Not a ModuleList: those hold a model's blocks, which are sharded, checkpointed and compiled one by one.
        self.layer = nn.ModuleDict(
            {str(i): Sublayer(name, module, width=size.width) for i, (name, module) in enumerate(inner)}
        )

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, bias: torch.Tensor | None, *source: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """x (B, T, C), its bool mask (B, 1, T, T), the bias -> (B, T, C) and the bias, if it was made here.

        `source`, of a decoder, is what it reads, (B, S, C), and the bool mask (B, 1, T, S) for that. A block without
        the stack's bias, which is the first one, makes it: (B, H, T, T), -inf where the mask is False.
        """
        made = self._bias(mask) if bias is None else None
        x = self.layer["0"](x, None, made if bias is None else bias)
        if self.decoder:
            x = self.layer["1"](x, *source)
        return self.layer["2" if self.decoder else "1"](x), made

    def _bias(self, mask: torch.Tensor) -> torch.Tensor:
        attention = self.layer["0"].get_submodule("SelfAttention")
        assert isinstance(attention, Attention)
        rows = torch.arange(mask.shape[-1], device=mask.device)
        # The pieces of documents lie side by side, so a distance inside one is the distance in the row.
        numbers = buckets(rows[None, :] - rows[:, None], bidirectional=not self.decoder)  # (T, T)
        biases = attention.relative_attention_bias(numbers).permute(2, 0, 1)[None]  # (1, H, T, T)
        return torch.where(mask, biases, -torch.inf)


class Stack(nn.Module):
    """An encoder or a decoder, without its embedding: that is one for both."""

    def __init__(self, size: Size, *, decoder: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(size, decoder=decoder, first=i == 0) for i in range(size.layers))
        self.final_layer_norm = nn.RMSNorm(size.width, eps=NORM_EPSILON)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, *source: torch.Tensor) -> torch.Tensor:
        """Embedded tokens (B, T, C) -> normalized states (B, T, C); mask and source as in Block."""
        bias = None
        for block in self.block:
            x, made = block(x, mask, bias, *source)
            bias = made if bias is None else bias
        y: torch.Tensor = self.final_layer_norm(x)
        return y


class EncoderDecoder(nn.Module):
    """Corrupted text in, the distribution of the next token of what is missing out; no position sees another document.

    `size.layers` is the depth of each of the two stacks. The head is not tied, whatever `size.tied` says.
    """

    def __init__(self, size: Size, *, vocab_size: int) -> None:
        super().__init__()
        self.shared = nn.Embedding(vocab_size, size.width)
        self.encoder = Stack(size, decoder=False)
        self.decoder = Stack(size, decoder=True)
        self.lm_head = nn.Linear(size.width, vocab_size, bias=False)

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        decoder_inputs: torch.Tensor,
        decoder_segments: torch.Tensor,
    ) -> torch.Tensor:
        """Int (B, T) twice and int (B, N) twice -> logits (B, N, V)."""
        encoded = self.encode(inputs, segments)
        logits: torch.Tensor = self.lm_head(self.decode(encoded, segments, decoder_inputs, decoder_segments))
        return logits

    def encode(self, inputs: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Tokens and the number of each one's piece, int (B, T) -> states (B, T, C)."""
        states: torch.Tensor = self.encoder(self.shared(inputs), document_mask(segments, causal=False))
        return states

    def decode(
        self,
        encoded: torch.Tensor,
        segments: torch.Tensor,
        decoder_inputs: torch.Tensor,
        decoder_segments: torch.Tensor,
    ) -> torch.Tensor:
        """States (B, T, C) of `encode` and the decoder's int (B, N) -> states (B, N, C), for the head."""
        states: torch.Tensor = self.decoder(
            self.shared(decoder_inputs),
            document_mask(decoder_segments, causal=True),
            encoded,
            document_mask(decoder_segments, segments, causal=False),
        )
        return states


def buckets(distances: torch.Tensor, *, bidirectional: bool) -> torch.Tensor:
    """The bucket of each distance, key minus query: int64 -> int64 below BUCKETS, of the same shape.

    Half of the buckets of a direction hold one distance each, the others ranges that grow as logarithms do up to
    MAX_DISTANCE (mesh_tensorflow's _relative_position_bucket, with T5's numbers).
    """
    number = BUCKETS
    offset = torch.zeros_like(distances)
    if bidirectional:
        number //= 2
        offset = (distances > 0) * number
        away = distances.abs()
    else:
        away = (-distances).clamp(min=0)
    exact = number // 2
    steps = torch.log(away.clamp(min=1).float() / exact) / math.log(MAX_DISTANCE / exact) * (number - exact)
    return offset + torch.where(away < exact, away, (exact + steps.long()).clamp(max=number - 1))


def build(size: Size, *, vocab_size: int, sequence_length: int, seed: int) -> EncoderDecoder:
    """An encoder-decoder in float32 on the CPU, initialized from `seed` alone; any `sequence_length` is the same model.

    Normal with deviation 1 / sqrt(inputs), queries divided by sqrt(D) more, embeddings 1, as in T5. The head's
    deviation is 1 / sqrt(C), as in T5X; with the 1 of HuggingFace the first loss would be tens of nats.
    """
    del sequence_length
    with torch.device("meta"):
        model = EncoderDecoder(size, vocab_size=vocab_size)
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    fan_in = {"shared": 1, "q": size.width * size.head_width, "wo": size.hidden}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            nn.init.ones_(parameter)
        else:
            inputs = fan_in.get(name.split(".")[-2], size.width)
            nn.init.normal_(parameter, std=inputs**-0.5, generator=generator)
    return model


def config(size: Size, *, vocab_size: int, sequence_length: int, end_of_text_id: int) -> dict[str, Any]:
    """The config.json with which transformers loads the state dict as it is."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": vocab_size,
        "d_model": size.width,
        "d_kv": size.head_width,
        "d_ff": size.hidden,
        "num_layers": size.layers,
        "num_decoder_layers": size.layers,
        "num_heads": size.heads,
        "relative_attention_num_buckets": BUCKETS,
        "relative_attention_max_distance": MAX_DISTANCE,
        "n_positions": sequence_length,  # what it was trained on; the architecture has no bound
        "dropout_rate": 0.0,
        "layer_norm_epsilon": NORM_EPSILON,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": True,
        # transformers 5 warns and says True, but leaves two different matrices apart, and does not scale the states.
        "tie_word_embeddings": False,
        "pad_token_id": end_of_text_id,
        "eos_token_id": end_of_text_id,
        "decoder_start_token_id": end_of_text_id,
        "dtype": "float32",
    }
