"""What a causal model says of texts: how likely one is after another, and what it goes on with.

A context begins with an end of text, as every document did in training.
"""

from collections.abc import Sequence

import numpy as np
import torch

from trainers import text_scores
from trainers.answers import Speaker
from trainers.decoding import Decoding, draw, probabilities
from trainers.objectives.randomness import generator
from trainers.row import NOBODY
from trainers.text_scores import Passes, Window


class Reader:
    """What the harness asks of a model, in its terms of texts."""

    def __init__(self, speaker: Speaker, *, rows: int) -> None:
        self.speaker = speaker
        self.passes = Passes(rows, speaker.device, speaker.trained.run.settings.precision)

    def pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Both as tokens; blanks that end a context begin the continuation, and the two are tokenized as one text.

        As lm_eval's TemplateLM has it, except where that leaves the continuation no token.
        """
        kept = context.rstrip()
        continuation = context[len(kept) :] + continuation
        start = self.speaker.encode(kept)
        whole = self.speaker.encode(kept + continuation)
        return start, whole[len(start) :] or self.speaker.encode(continuation)

    def likelihoods(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[tuple[float, bool]]:
        """Of each (context, continuation) in tokens: the log-likelihood in nats, and whether greedy decoding gives it.

        Of a context that is too long the end is seen. A continuation longer than a row is scored in parts of a row.
        """
        length, windows = self.speaker.window, []
        for number, (context, continuation) in enumerate(pairs):
            tokens = np.array([self.speaker.end_id, *context, *continuation])
            for start in range(len(tokens) - len(continuation), len(tokens), length):
                stop = min(start + length, len(tokens))
                windows.append(Window(number, tokens[max(stop - length - 1, 0) : stop], stop - start))
        found = text_scores.of_windows(
            self.speaker.trained.model,
            windows,
            len(pairs),
            sequence_length=length,
            padding_id=self.speaker.end_id,
            passes=self.passes,
        )
        assert found.correct is not None
        greedy = found.correct == found.targets
        return list(zip((-found.nats).tolist(), greedy.tolist(), strict=True))

    def rolling(self, texts: Sequence[str]) -> list[float]:
        """The log-likelihood of each text in nats, in windows without overlap but the last, which is a whole row."""
        # An end of text is not of the text, and is not scored: perplexities of tasks are by word and byte.
        return [nats for nats, _ in self.likelihoods([((), self.speaker.encode(text)) for text in texts])]

    @torch.inference_mode()
    def generated(self, contexts: Sequence[str], *, until: Sequence[str], decoding: Decoding) -> list[str]:
        """What follows each context, up to and without an end of text or the first of the strings in `until`."""
        found = []
        for start in range(0, len(contexts), self.passes.rows):
            part = contexts[start : start + self.passes.rows]
            found += self._continued(part, first=start, until=until, decoding=decoding)
        return found

    def _continued(self, contexts: Sequence[str], *, first: int, until: Sequence[str], decoding: Decoding) -> list[str]:
        speaker, end = self.speaker, self.speaker.end_id
        seen = [[end, *speaker.encode(context)] for context in contexts]
        new: list[list[int]] = [[] for _ in contexts]
        texts = [""] * len(contexts)
        chances = [generator(seed=decoding.seed, epoch=0, row=first + n, purpose="harness") for n in range(len(seen))]
        open_ones = list(range(len(seen)))
        for _ in range(decoding.max_tokens):
            logits = self._next_logits([[*seen[n], *new[n]][-speaker.window :] for n in open_ones])
            logits[:, list(speaker.marks)] = -torch.inf
            uniform = torch.tensor([chances[n].random() for n in open_ones], dtype=torch.float64)
            for n, token in zip(open_ones, draw(probabilities(logits, decoding), uniform).tolist(), strict=True):
                new[n].append(token)
                texts[n] = speaker.decode(new[n])
            open_ones = [n for n in open_ones if new[n][-1] != end and not any(stop in texts[n] for stop in until)]
            if not open_ones:
                break
        for stop in until:
            texts = [text.split(stop)[0] for text in texts]
        return texts

    def _next_logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Tokens of each row -> float32 logits (S, V) of the token after the last."""
        longest = max(map(len, rows))
        inputs = torch.full((len(rows), longest), self.speaker.end_id)
        segments = torch.full((len(rows), longest), NOBODY, dtype=torch.int32)
        for i, row in enumerate(rows):
            inputs[i, : len(row)], segments[i, : len(row)] = torch.tensor(row), 0
        positions = torch.arange(longest).expand(len(rows), -1)
        last = torch.tensor([len(row) - 1 for row in rows])
        with self.passes.context():
            logits = self.speaker.trained.model(
                *(each.to(self.passes.device) for each in (inputs, segments, positions))
            )
        return logits[torch.arange(len(rows)), last].float().cpu()  # type: ignore[no-any-return]
