"""The two tables of word2vec (Mikolov et al. 2013, "Distributed Representations of Words and Phrases"; word2vec.c).

A word has an input vector, which is what is used afterwards, and an output vector, which predicts. Shapes: V
vocabulary, C width, M any number of ids.
"""

import os
import re
from collections.abc import Mapping

import torch
from torch import nn

from curation import storage
from trainers.models.sizes import Size


class WordVectors(nn.Module):
    """An input and an output vector for each token; the score of a pair is their product."""

    def __init__(self, *, vocab_size: int, width: int) -> None:
        super().__init__()
        self.input_vectors = nn.Embedding(vocab_size, width)
        self.output_vectors = nn.Embedding(vocab_size, width)

    def forward(self, inputs: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The input vectors of the ids int (M, ...) and the output vectors of the ids int (M, ...): (M, ..., C) each.

        Both in one call, which is what DistributedDataParallel follows.
        """
        return self.input_vectors(inputs), self.output_vectors(outputs)


def build(size: Size, *, vocab_size: int, sequence_length: int, seed: int) -> WordVectors:
    """Vectors of `size.width` in float32 on the CPU, initialized from `seed` alone.

    As word2vec.c: inputs uniform within 0.5 / width of 0, outputs 0. Layers, heads and `sequence_length` mean nothing.
    """
    with torch.device("meta"):
        model = WordVectors(vocab_size=vocab_size, width=size.width)
    model.to_empty(device="cpu")
    bound = 0.5 / size.width
    nn.init.uniform_(model.input_vectors.weight, -bound, bound, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(model.output_vectors.weight)
    return model


def trained(model: WordVectors) -> torch.Tensor:
    """Which tokens ever took part, bool (V,): an output vector is 0 until its token is a centre or a negative."""
    return model.output_vectors.weight.detach().any(dim=1)


def neighbours(model: WordVectors, token: int, *, count: int = 10) -> list[tuple[int, float]]:
    """The trained tokens whose input vectors have the largest cosine with the token's, without itself."""
    vectors = nn.functional.normalize(model.input_vectors.weight.detach().float(), dim=1)
    cosines = (vectors @ vectors[token]).masked_fill(~trained(model), -torch.inf)
    cosines[token] = -torch.inf
    order = cosines.argsort(descending=True, stable=True)[:count].tolist()
    return [(other, float(cosines[other])) for other in order if cosines[other] > -torch.inf]


def export_text(model: WordVectors, tokens: Mapping[int, str], path: str | os.PathLike[str]) -> int:
    """Writes the input vectors in word2vec's text format (`-binary 0`); returns how many.

    The first line is the number of vectors and their width, each other one a token and its values, of 9 digits, which
    is all of a float32. `tokens` are the tokens by id, in the order of the file; what was never trained is left out.
    The format has no quotes: blanks in a token are written as escapes.
    """
    known = trained(model)
    kept = {number: token for number, token in tokens.items() if known[number]}
    vectors = model.input_vectors.weight.detach().float().cpu()
    with (
        storage.publish(os.fspath(path)) as unpublished,
        open(unpublished, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.write(f"{len(kept)} {vectors.shape[1]}\n")
        for number, token in kept.items():
            name = re.sub(r"\s", lambda blank: blank[0].encode("unicode_escape").decode().replace(" ", "\\x20"), token)
            file.write(f"{name} {' '.join(format(value, '.9g') for value in vectors[number].tolist())}\n")
    return len(kept)
