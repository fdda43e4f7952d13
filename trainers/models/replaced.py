"""ELECTRA: a small generator that fills masked positions, and a discriminator that finds what it filled in wrongly.

Parameters are named as in HuggingFace's ElectraForMaskedLM, under `generator`, and ElectraForPreTraining, under
`discriminator` (Clark et al. 2020). Shapes as in `encoder`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from trainers.models.categorical import draw
from trainers.models.encoder import Embeddings, Encoder, Transform, initialize, settings
from trainers.models.sizes import Size

GENERATOR_SHARE = 0.25  # of the discriminator's width and heads
NARROW_BELOW = 768  # width from which on embeddings are as wide as the states, as in ELECTRA-Base; half before: -Small


class Outputs(NamedTuple):
    """What both models say of a batch."""

    generator_logits: torch.Tensor  # (B, N, V) at the chosen positions
    discriminator_logits: torch.Tensor  # (B, T): above 0 where a token seems replaced
    replaced: torch.Tensor  # bool (B, T): where the discriminator saw another token than the original


class Bias(nn.Module):
    """The bias of a head whose matrix is the embeddings'."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(vocab_size))


class Generator(nn.Module):
    """A masked language model of a quarter of the width, with the discriminator's embeddings."""

    def __init__(self, size: Size, embeddings: Embeddings, *, vocab_size: int, attention: str) -> None:
        super().__init__()
        width, heads = generator_shape(size)
        self.electra = Encoder(
            embeddings, layers=size.layers, width=width, heads=heads, attention=attention, borrows=True
        )
        self.generator_predictions = Transform(width, embeddings.word_embeddings.embedding_dim)
        self.generator_lm_head = Bias(vocab_size)

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        predicted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """int (B, T) each -> logits (B, T, V); with `predicted` int (B, N), the logits (B, N, V) of these positions."""
        x = self.electra(inputs, segments, positions)
        if predicted is not None:
            x = x[torch.arange(len(x), device=x.device)[:, None], predicted.clamp(min=0)]  # (B, N, C)
        return functional.linear(self.generator_predictions(x), self.electra.words, self.generator_lm_head.bias)


class Verdicts(nn.Module):
    """The head that says of each position how much it seems replaced."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.dense_prediction = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T)."""
        x = self.dense_prediction(functional.gelu(self.dense(x)))
        return x.squeeze(-1)


class Discriminator(nn.Module):
    """An encoder with one logit for each position: the model that is kept."""

    def __init__(self, size: Size, embeddings: Embeddings, *, attention: str) -> None:
        super().__init__()
        self.electra = Encoder(embeddings, layers=size.layers, width=size.width, heads=size.heads, attention=attention)
        self.discriminator_predictions = Verdicts(size.width)

    def forward(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> logits (B, T)."""
        logits: torch.Tensor = self.discriminator_predictions(self.electra(inputs, segments, positions))
        return logits


class ReplacedModel(nn.Module):
    """Both models in one call, because wrappers for many devices see to it that weights are there during a call."""

    def __init__(self, size: Size, *, vocab_size: int, sequence_length: int, attention: str = "auto") -> None:
        super().__init__()
        width = embedding_width(size)
        # One module for both, as in the reference, where untied_generator_embeddings is False.
        embeddings = Embeddings(width, vocab_size=vocab_size, sequence_length=sequence_length)
        self.generator = Generator(size, embeddings, vocab_size=vocab_size, attention=attention)
        self.discriminator = Discriminator(size, embeddings, attention=attention)

    def forward(
        self,
        inputs: torch.Tensor,
        segments: torch.Tensor,
        positions: torch.Tensor,
        predicted: torch.Tensor,
        originals: torch.Tensor,
        numbers: torch.Tensor,
    ) -> Outputs:
        """The generator fills `inputs` at `predicted`; the discriminator reads `originals` with what it filled in.

        `inputs` (masked), `segments`, `positions` and `originals` are int (B, T); `predicted` int64 (B, N), below 0
        where a row has fewer positions; `numbers` int64 (B, N) decide what is drawn, at temperature 1. No gradient
        flows through the samples.
        """
        logits = self.generator(inputs, segments, positions, predicted)
        filled = fill(originals, predicted, draw(logits, numbers))
        return Outputs(logits, self.discriminator(filled, segments, positions), filled != originals)

    def states(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> (B, T, C) of the discriminator: what a task of its own puts a head on."""
        x: torch.Tensor = self.discriminator.electra(inputs, segments, positions)
        return x


def fill(originals: torch.Tensor, predicted: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """`originals` (B, T) with `samples` (B, N) at the positions `predicted` (B, N); those below 0 are left out."""
    length = originals.shape[1]
    beyond = torch.where(predicted < 0, length, predicted)  # a column more takes what is left out
    return functional.pad(originals, (0, 1)).scatter(1, beyond, samples)[:, :length]


def weights_of(part: str, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What HuggingFace calls the weights of the "generator" or the "discriminator", of a ReplacedModel's state dict."""
    shared = "discriminator.electra.embeddings."
    return {name.partition(".")[2]: weight for name, weight in weights.items() if name.startswith((f"{part}.", shared))}


def embedding_width(size: Size) -> int:
    """E: half of the width, as in ELECTRA-Small, or all of it, as in ELECTRA-Base (Clark et al. 2020, table 6)."""
    return size.width if size.width >= NARROW_BELOW else size.width // 2


def generator_shape(size: Size) -> tuple[int, int]:
    """Width and heads of the generator: a quarter of the discriminator's, and as many heads as divide that."""
    heads = max(1, int(size.heads * GENERATOR_SHARE))
    width = max(1, int(size.width * GENERATOR_SHARE))
    while width % heads:
        heads -= 1
    return width, heads


def build(size: Size, *, vocab_size: int, sequence_length: int, seed: int, attention: str = "auto") -> ReplacedModel:
    """Both models in float32 on the CPU, initialized from `seed` alone; of `size` they take what BERT takes."""
    with torch.device("meta"):
        model = ReplacedModel(size, vocab_size=vocab_size, sequence_length=sequence_length, attention=attention)
    model.to_empty(device="cpu")
    initialize(model, seed)
    return model


def config(
    size: Size, *, vocab_size: int, sequence_length: int, end_of_text_id: int, generator: bool = False
) -> dict[str, Any]:
    """HuggingFace's config.json of the discriminator that `build` makes, or of its generator."""
    width, heads = generator_shape(size) if generator else (size.width, size.heads)
    return {
        "architectures": ["ElectraForMaskedLM" if generator else "ElectraForPreTraining"],
        "model_type": "electra",
        **settings(size.layers, width, heads),
        "embedding_size": embedding_width(size),
        "vocab_size": vocab_size,
        "max_position_embeddings": sequence_length,
        "pad_token_id": end_of_text_id,
        "eos_token_id": end_of_text_id,
    }
