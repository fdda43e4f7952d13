"""A BERT encoder whose parameters are named as in HuggingFace's BertForMaskedLM (Devlin et al. 2019).

Shapes: B rows, T positions, N positions of a row that are predicted, C width, E width of the embeddings, H heads,
D head width, V vocabulary.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainers.models.attention import Documents, attend, documents
from trainers.models.sizes import Size

NORM_EPSILON = 1e-12
INITIAL_DEVIATION = 0.02
TOKEN_TYPES = 2  # of BERT, for pairs of sentences; only the first is learned here, there being no pairs


class Embeddings(nn.Module):
    """The sum of a token's, its position's and its type's vector, normalized."""

    def __init__(self, width: int, *, vocab_size: int, sequence_length: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, width)
        self.position_embeddings = nn.Embedding(sequence_length, width)
        self.token_type_embeddings = nn.Embedding(TOKEN_TYPES, width)
        self.LayerNorm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(self, inputs: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> (B, T, E)."""
        x = self.word_embeddings(inputs) + self.position_embeddings(positions) + self.token_type_embeddings.weight[0]
        normalized: torch.Tensor = self.LayerNorm(x)
        return normalized


class SelfAttention(nn.Module):
    """Queries, keys and values, with biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, seen: Documents) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, D)
            for projection in (self.query, self.key, self.value)
        )
        return attend(q, k, v, seen).transpose(1, 2).flatten(-2)


class Residual(nn.Module):
    """Projects what a part of a layer has computed, adds it to the layer's input, and normalizes the sum (post-LN)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width)
        self.LayerNorm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(self, computed: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(B, T, any), (B, T, C) -> (B, T, C)."""
        x = self.LayerNorm(self.dense(computed) + x)
        return x


class Layer(nn.Module):
    """Attention and a feed-forward layer of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(width, heads), "output": Residual(width, width)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, 4 * width)})
        self.output = Residual(4 * width, width)

    def forward(self, x: torch.Tensor, seen: Documents) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = self.attention["output"](self.attention["self"](x, seen), x)
        x = self.output(functional.gelu(self.intermediate["dense"](x)), x)
        return x


class Layers(nn.Module):
    """Layer after layer."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, heads) for _ in range(layers))

    def forward(self, x: torch.Tensor, seen: Documents) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        for layer in self.layer:
            x = layer(x, seen)
        return x


class Encoder(nn.Module):
    """What HuggingFace keeps under the names `bert` and `electra`: tokens to states, inside each document.

    The embeddings of an encoder that borrows them are another's, which has them among its weights.
    """

    def __init__(
        self, embeddings: Embeddings, *, layers: int, width: int, heads: int, attention: str, borrows: bool = False
    ) -> None:
        super().__init__()
        self.attention = attention
        self._used = (embeddings,)  # in a tuple, which registers no weights: they are saved once, under one name
        if not borrows:
            self.embeddings = embeddings
        embedding_width = embeddings.word_embeddings.embedding_dim
        self.embeddings_project = None if embedding_width == width else nn.Linear(embedding_width, width)
        self.encoder = Layers(layers, width, heads)

    @property
    def words(self) -> torch.Tensor:
        """The embedding of each token, (V, E)."""
        return self._used[0].word_embeddings.weight

    def forward(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> (B, T, C)."""
        x: torch.Tensor = self._used[0](inputs, positions)
        if self.embeddings_project is not None:
            x = self.embeddings_project(x)
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        seen = documents(segments, causal=False, implementation=self.attention, dtype=dtype)
        x = self.encoder(x, seen)
        return x


class Transform(nn.Module):
    """What a head does to a state before it is compared with the embedding of each token."""

    def __init__(self, width: int, embedding_width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding_width)
        self.LayerNorm = nn.LayerNorm(embedding_width, eps=NORM_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, C) -> (B, N, E)."""
        x = self.LayerNorm(functional.gelu(self.dense(x)))
        return x


class Predictions(nn.Module):
    """The head of the masked language model; its matrix is the embeddings', as in HuggingFace's safetensors files."""

    def __init__(self, width: int, *, vocab_size: int) -> None:
        super().__init__()
        self.transform = Transform(width, width)
        self.bias = nn.Parameter(torch.empty(vocab_size))

    def forward(self, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """(B, N, C), (V, C) -> logits (B, N, V)."""
        return functional.linear(self.transform(x), words, self.bias)


class MaskedModel(nn.Module):
    """Tokens in, the distribution of the original token out; no position sees another document."""

    def __init__(self, size: Size, *, vocab_size: int, sequence_length: int, attention: str = "auto") -> None:
        super().__init__()
        embeddings = Embeddings(size.width, vocab_size=vocab_size, sequence_length=sequence_length)
        self.bert = Encoder(embeddings, layers=size.layers, width=size.width, heads=size.heads, attention=attention)
        self.cls = nn.ModuleDict({"predictions": Predictions(size.width, vocab_size=vocab_size)})

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        predicted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """int (B, T) each -> logits (B, T, V); with `predicted` int (B, N), the logits (B, N, V) of these positions.

        At 15% of the positions the head, which is most of a small model's work and memory, costs 15%.
        """
        x = self.states(inputs, segments, positions)
        if predicted is not None:
            x = x[torch.arange(len(x), device=x.device)[:, None], predicted.clamp(min=0)]  # (B, N, C)
        logits: torch.Tensor = self.cls["predictions"](x, self.bert.words)
        return logits

    def states(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> (B, T, C): what a task of its own puts a head on."""
        x: torch.Tensor = self.bert(inputs, segments, positions)
        return x


def initialize(model: nn.Module, seed: int) -> None:
    """Fills a model from `seed` alone, as BERT: normal with deviation 0.02, cut off at two deviations; biases 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            cut = 2 * INITIAL_DEVIATION
            nn.init.trunc_normal_(parameter, std=INITIAL_DEVIATION, a=-cut, b=cut, generator=generator)
        else:
            nn.init.constant_(parameter, 1.0 if name.endswith("LayerNorm.weight") else 0.0)


def build(size: Size, *, vocab_size: int, sequence_length: int, seed: int, attention: str = "auto") -> MaskedModel:
    """An encoder in float32 on the CPU, initialized from `seed` alone.

    BERT has neither grouped-query attention nor gates: of `size` it takes layers, width and heads. Its feed-forward
    layer of 4 * width has as many weights as a gated one of 8/3 * width.
    """
    with torch.device("meta"):
        model = MaskedModel(size, vocab_size=vocab_size, sequence_length=sequence_length, attention=attention)
    model.to_empty(device="cpu")
    initialize(model, seed)
    return model


def config(size: Size, *, vocab_size: int, sequence_length: int, end_of_text_id: int) -> dict[str, Any]:
    """HuggingFace's config.json of the model that `build` makes."""
    return {
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        **settings(size.layers, size.width, size.heads),
        "vocab_size": vocab_size,
        "max_position_embeddings": sequence_length,
        "pad_token_id": end_of_text_id,
        "eos_token_id": end_of_text_id,
    }


def settings(layers: int, width: int, heads: int) -> dict[str, Any]:
    """What BertConfig and ElectraConfig say alike."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": NORM_EPSILON,
        "initializer_range": INITIAL_DEVIATION,
        "type_vocab_size": TOKEN_TYPES,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
