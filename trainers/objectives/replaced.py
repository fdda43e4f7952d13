"""Replaced-token detection (ELECTRA, Clark et al. 2020): which tokens did a small generator put there?"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainers.models.categorical import BITS
from trainers.objectives.causal import TERM, cross_entropy
from trainers.objectives.masked import Masked, packed
from trainers.objectives.objective import Batch
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, Row
from trainers.specials import Specials, require_mask

GENERATOR = "generator"
DISCRIMINATOR = "discriminator"


@dataclasses.dataclass(frozen=True)
class Replaced:
    """A generator learns to fill hidden tokens; a discriminator says of every token whether it was filled in wrongly.

    Of the chosen tokens the generator sees 85% as the mask and 15% as they are, not BERT's 80/10/10. At each of them
    the discriminator sees a sample from the generator; one that equals the original counts as original. The
    discriminator's loss is over all tokens, end-of-text too. Weights as in the reference's configure_pretraining.py.
    Where the reference draws positions with repetition, these are all different. What is sampled depends on seed,
    epoch and row, and on the generator's logits, which a device or another number of rows rounds its own way.
    """

    seed: int
    specials: Specials
    vocab_size: int
    sequence_length: int
    rate: float = 0.15
    mask_share: float = 0.85
    whole_words: bool = False
    generator_weight: float = 1.0
    discriminator_weight: float = 50.0

    def __post_init__(self) -> None:
        """Refuses what `Masked` refuses."""
        require_mask(self.specials, "replaced")
        assert self._masking.random_share == 0

    @property
    def weights(self) -> Mapping[str, float]:
        """Both terms are in nats."""
        return {GENERATOR: self.generator_weight, DISCRIMINATOR: self.discriminator_weight}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """As `Masked`, with the unmasked rows, `originals` (B, T), and the `numbers` (B, N) that decide the samples."""
        masked = self._masking.batch(rows)
        originals, segments, _ = packed(rows, self.sequence_length, self.specials.end_of_text_id)
        tokens, pieces = torch.from_numpy(originals), torch.from_numpy(segments)
        chances = (generator(seed=self.seed, epoch=row.epoch, row=row.number, purpose="replaced") for row in rows)
        numbers = np.stack([chance.integers(2**BITS, size=self._masking.num_targets) for chance in chances])
        return Batch(
            inputs={**masked.inputs, "originals": tokens, "numbers": torch.from_numpy(numbers)},
            targets={GENERATOR: masked.targets[TERM], DISCRIMINATOR: tokens.masked_fill(pieces < 0, IGNORED)},
            owners={GENERATOR: masked.owners[TERM], DISCRIMINATOR: pieces},
        )

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The generator's cross-entropy, float32 (B, N); the discriminator's, of two classes, float32 (B, T)."""
        generator_logits, discriminator_logits, replaced = model(**batch.inputs)
        binary = functional.binary_cross_entropy_with_logits(
            discriminator_logits.float(), replaced.float(), reduction="none"
        )
        return {
            GENERATOR: cross_entropy(generator_logits, batch.targets[GENERATOR]),
            DISCRIMINATOR: binary.masked_fill(batch.targets[DISCRIMINATOR] == IGNORED, 0),
        }

    @functools.cached_property
    def _masking(self) -> Masked:
        return Masked(
            seed=self.seed,
            specials=self.specials,
            vocab_size=self.vocab_size,
            sequence_length=self.sequence_length,
            rate=self.rate,
            mask_share=self.mask_share,
            random_share=0,
            whole_words=self.whole_words,
        )
