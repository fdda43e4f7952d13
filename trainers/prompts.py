"""Answers to prompts: a causal model goes on with the prompt, an encoder-decoder reads it and writes the answer.

The answer follows the prompt as it stands, so a blank or line break between them belongs to one of the two. Only the
answer and its end of text are scored. Shapes: B examples, T positions, N targets in all, C width, V vocabulary.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainers.answers import Speaker
from trainers.examples import Example
from trainers.gains import Gain, matched, ratio
from trainers.models.decoder import Decoder
from trainers.models.encoder_decoder import EncoderDecoder
from trainers.row import IGNORED, NOBODY
from trainers.tuning import Prediction, Scores, batches

PARTS: Mapping[type[nn.Module], tuple[str, ...]] = {
    Decoder: ("",),
    EncoderDecoder: ("",),
}
MAX_WRITTEN = 200  # examples whose answer is written out: each token of it is a pass


@dataclasses.dataclass(frozen=True)
class Prompted:
    """A prompt and its answer in tokens, the answer with its end of text where it was not cut."""

    line: int
    prompt: Sequence[int]
    answer: Sequence[int]
    wanted: str  # the answer


def encode(speaker: Speaker, examples: Sequence[Example], *, decoder: bool) -> tuple[list[Prompted], int]:
    """The examples in tokens, and how many of them were cut.

    A row of the run holds the end of text before it, the prompt and the answer, or in an encoder-decoder each of the
    two: an answer loses its end, then a prompt its beginning.
    """
    found, cut = [], 0
    for example in examples:
        prompt, answer = speaker.encode(example.text), [*speaker.encode(example.wanted), speaker.end_id]
        kept_answer = answer[: speaker.window - (1 if decoder else 0)]
        # Of the row's inputs the last token of the answer is none.
        room = speaker.window - len(kept_answer) if decoder else speaker.window - 1
        kept_prompt = prompt[max(0, len(prompt) - room) :]
        cut += (len(kept_prompt), len(kept_answer)) != (len(prompt), len(answer))
        found.append(Prompted(example.line, kept_prompt, kept_answer, example.wanted))
    return found, cut


@dataclasses.dataclass(frozen=True)
class Learner:
    """A model that learns to answer."""

    model: nn.Module
    speaker: Speaker  # its tokenizer is what is used
    device: torch.device

    def losses(self, examples: Sequence[Prompted]) -> torch.Tensor:
        """The nats of each token of the answers, float32 (N), example after example."""
        inputs = [[self.speaker.end_id, *example.answer[:-1]] for example in examples]
        wanted = [list(example.answer) for example in examples]
        if isinstance(self.model, Decoder):
            starts = [[self.speaker.end_id, *example.prompt] for example in examples]
            inputs = [start + row[1:] for start, row in zip(starts, inputs, strict=True)]
            wanted = [[IGNORED] * (len(start) - 1) + row for start, row in zip(starts, wanted, strict=True)]
        targets = _padded(wanted, IGNORED).to(self.device)
        states = self._states(self._prompts(examples), inputs)
        scored = targets != IGNORED  # (B, T)
        return functional.cross_entropy(self._logits(states[scored]).float(), targets[scored], reduction="none")

    def scores(self, examples: Sequence[Prompted], *, batch_size: int) -> Scores:
        """Nats of each token of the answers, and how often the first MAX_WRITTEN are written exactly as they are."""
        nats: list[float] = []
        written: list[str] = []
        with torch.no_grad():
            for batch in batches(examples, batch_size):
                parts = torch.split(self.losses(batch).double(), [len(example.answer) for example in batch])
                nats += [float(part.sum()) for part in parts]
            for batch in batches(examples[:MAX_WRITTEN], batch_size):
                written += [self.speaker.decode(tokens) for tokens in self.write(batch)]
        predictions = []
        for number, (example, value) in enumerate(zip(examples, nats, strict=True)):
            found = written[number] if number < len(written) else None
            right = None if found is None else found == self.speaker.decode(example.answer)
            predictions.append(Prediction(example.line, example.wanted, found, right, value, len(example.answer)))
        metrics = {
            "nats_per_token": sum(nats) / sum(len(example.answer) for example in examples),
            "exact_match": float(np.mean([each.right for each in predictions[: len(written)]])),
        }
        return Scores(metrics, predictions)

    def write(self, examples: Sequence[Prompted]) -> list[list[int]]:
        """The most probable token after token, up to the end of text, at most one more than the longest answer has."""
        next_logits = self._next(examples)
        written: list[list[int]] = [[] for _ in examples]
        for _ in range(1 + max(len(example.answer) for example in examples)):
            chosen = next_logits(written).argmax(dim=-1).tolist()
            for tokens, token in zip(written, chosen, strict=True):
                if self.speaker.end_id not in tokens[-1:]:
                    tokens.append(token)
            if all(tokens[-1] == self.speaker.end_id for tokens in written):
                break
        return written

    def _prompts(self, examples: Sequence[Prompted]) -> tuple[torch.Tensor, torch.Tensor] | None:
        """What an encoder makes of the prompts: states (B, T, C) and segments (B, T); None of a decoder."""
        if not isinstance(self.model, EncoderDecoder):
            return None
        rows = [[*example.prompt, self.speaker.end_id] for example in examples]
        segments = _segments(rows).to(self.device)
        return self.model.encode(_padded(rows, self.speaker.end_id).to(self.device), segments), segments

    def _states(self, prompts: tuple[torch.Tensor, torch.Tensor] | None, rows: list[list[int]]) -> torch.Tensor:
        """The states (B, T, C) of what is written to the prompts, or of all that a decoder reads."""
        inputs, segments = _padded(rows, self.speaker.end_id).to(self.device), _segments(rows).to(self.device)
        if isinstance(self.model, EncoderDecoder):
            assert prompts is not None
            return self.model.decode(*prompts, inputs, segments)
        assert isinstance(self.model, Decoder)
        positions = torch.arange(inputs.shape[1], device=self.device).expand_as(inputs)
        states: torch.Tensor = self.model.model(inputs, segments, positions)
        return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """(N, C) -> (N, V)."""
        assert isinstance(self.model, Decoder | EncoderDecoder)
        if self.model.lm_head is None:
            return functional.linear(states, self.model.model.embed_tokens.weight)
        logits: torch.Tensor = self.model.lm_head(states)
        return logits

    def _next(self, examples: Sequence[Prompted]) -> Callable[[list[list[int]]], torch.Tensor]:
        """Gives the logits (B, V) of what follows the tokens written so far."""
        prompts = self._prompts(examples)
        end = self.speaker.end_id
        starts = [[end] if prompts else [end, *example.prompt] for example in examples]

        def next_logits(written: list[list[int]]) -> torch.Tensor:
            rows = [start + tokens for start, tokens in zip(starts, written, strict=True)]
            last = torch.tensor([len(row) - 1 for row in rows], device=self.device)
            states = self._states(prompts, rows)
            return self._logits(states[torch.arange(len(rows), device=self.device), last])

        return next_logits


def gains(scores: Scores, others: Scores) -> dict[str, Gain]:
    """What was gained in exact matches, and in nats per token, where less is better, so that a gain is above 0."""
    pairs = list(zip(scores.predictions, others.predictions, strict=True))
    asked = [(one.right, other.right) for one, other in pairs if one.right is not None]
    right, others_right = np.array(asked, bool).T
    gained = np.array([other.nats - one.nats for one, other in pairs])
    targets = np.array([float(one.targets) for one, _ in pairs])
    return {"nats_per_token": ratio(gained, targets), "exact_match": matched(right, others_right)}


def _padded(rows: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
    """int64 (B, T), T of the longest row."""
    found = torch.full((len(rows), max(map(len, rows))), padding)
    for i, row in enumerate(rows):
        found[i, : len(row)] = torch.tensor(row)
    return found


def _segments(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """int32 (B, T): one document a row, then padding."""
    return _padded([[0] * len(row) for row in rows], NOBODY).int()
