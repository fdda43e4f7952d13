import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from trainers.models import word_vectors
from trainers.models.sizes import Size
from trainers.objectives.randomness import generator
from trainers.objectives.skipgram import TERM, ContinuousBagOfWords, SkipGram, Windows
from trainers.row import IGNORED, NOBODY, Row

END_OF_TEXT = 0
VOCAB_SIZE = 40
COUNTS = np.array([900, 3, 4, 5, 6, *range(7, 7 + 35)]) ** 2 // 4  # tokens 1 to 3 have 2, 4 and 6 occurrences
DIMENSIONS = 8
OBJECTIVES = [SkipGram, ContinuousBagOfWords]


def windows(**changes):
    fields = {
        "seed": 7,
        "counts": COUNTS,
        "sequence_length": 48,
        "end_of_text_id": END_OF_TEXT,
        "subsample": 2e-2,
    }
    return Windows(**{**fields, **changes})


def row_of(pieces, *, number=0, epoch=0):
    """A row of pieces given as lists of tokens."""
    edges = np.cumsum([0, *map(len, pieces)])
    tokens = np.array([token for piece in pieces for token in piece], np.uint16)
    return Row(epoch, number, END_OF_TEXT, tokens, edges, np.arange(len(pieces)))


def rows(count, *, pieces=3, length=16, seed=0, **place):
    chance = np.random.default_rng(seed)
    for number in range(count):
        made = [[*chance.integers(1, VOCAB_SIZE, length - 1), END_OF_TEXT] for _ in range(pieces)]
        yield row_of(made, **{"number": number, **place})


def model_of(*, seed=0, dtype=torch.float32):
    """Vectors that are all at random, the outputs as well."""
    model = word_vectors.WordVectors(vocab_size=VOCAB_SIZE, width=DIMENSIONS)
    chance = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=chance)
    return model.to(dtype)


def plain_row(row, settings, *, of_pairs):
    """The row by loops: {position of a centre: (contexts, negatives)}, as word2vec.c reads a sentence."""
    chance = generator(seed=settings.seed, epoch=row.epoch, row=row.number, purpose="windows")
    draws = chance.random(len(row.tokens))
    widths = chance.integers(1, settings.window, len(row.tokens), endpoint=True)
    train_words = sum(
        int(count)
        for token, count in enumerate(settings.counts)
        if token != settings.end_of_text_id and count >= settings.min_count
    )
    sentences = []
    for first, last in zip(row.edges[:-1], row.edges[1:], strict=True):
        sentence = []
        for position in range(first, last):
            token = int(row.tokens[position])
            count = int(settings.counts[token])
            if token == settings.end_of_text_id or count < settings.min_count:
                continue
            if settings.subsample:
                threshold = settings.subsample * train_words
                if draws[position] >= (math.sqrt(count / threshold) + 1) * threshold / count:
                    continue
            sentence.append(position)
        sentences.append(sentence)
    found = {}
    for sentence in sentences:
        for place, position in enumerate(sentence):
            width = widths[position]
            around = [*range(place - width, place), *range(place + 1, place + width + 1)]
            context = [int(row.tokens[sentence[other]]) for other in around if 0 <= other < len(sentence)]
            if context:
                found[position] = context
    # The distribution function of the negatives, walked through for each draw.
    powers = [
        count**0.75 if token != settings.end_of_text_id and count >= settings.min_count else 0.0
        for token, count in enumerate(map(int, settings.counts))
    ]

    def negative():
        left = chance.random() * sum(powers)
        for token, power in enumerate(powers):
            left -= power
            if power and left < 0:
                return token
        raise AssertionError

    number = settings.negatives
    return {
        position: (context, [[negative() for _ in range(number)] for _ in (context if of_pairs else "1")])
        for position, context in found.items()
    }


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(st.lists(st.lists(st.integers(1, VOCAB_SIZE - 1), max_size=12), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_batch_is_what_loops_give(objective, pieces, number):
    row = row_of([[*piece, END_OF_TEXT] for piece in pieces], number=number, epoch=number % 3)
    ours = windows(window=3, sequence_length=52)
    batch = objective(ours).batch([row])
    of_pairs = objective is SkipGram
    expected = plain_row(row, ours, of_pairs=of_pairs)
    targets, contexts = batch.targets[TERM][0], batch.inputs["contexts"][0]
    assert {int(i) for i in torch.nonzero(targets != IGNORED)} == set(expected)
    for position, (context, negatives) in expected.items():
        assert targets[position] == row.tokens[position]
        assert batch.owners[TERM][0, position] == np.searchsorted(row.edges, position, "right") - 1
        inside = contexts[position] != NOBODY
        assert contexts[position][inside].tolist() == context
        drawn = batch.inputs["negatives"][0, position]
        assert (drawn[inside] if of_pairs else drawn[None]).tolist() == negatives
    assert (batch.owners[TERM][0][targets == IGNORED] == NOBODY).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_row_is_the_same_alone_and_in_a_batch(objective):
    ours, given_rows = objective(windows()), list(rows(4))
    whole, model = ours.batch(given_rows), model_of()
    losses = ours.losses(model, whole)[TERM]
    for number, row in enumerate(given_rows):
        alone = ours.batch([row])
        for name, values in whole.inputs.items():
            assert torch.equal(values[number], alone.inputs[name][0])
        assert torch.equal(whole.targets[TERM][number], alone.targets[TERM][0])
        assert torch.allclose(losses[number], ours.losses(model, alone)[TERM][0], atol=1e-6)


def test_another_epoch_draws_anew():
    first, second = (SkipGram(windows()).batch(list(rows(2, epoch=epoch))) for epoch in (0, 1))
    assert not torch.equal(first.inputs["contexts"], second.inputs["contexts"])


def test_frequent_words_are_dropped_as_often_as_the_formula_says():
    """1,000 rows of the most frequent word and a rare one, in turn; 5 sigma."""
    ours = windows(window=1)
    frequent, rare = VOCAB_SIZE - 1, 5
    share = COUNTS[frequent] / COUNTS[3:].sum()
    expected = (math.sqrt(share / 2e-2) + 1) * 2e-2 / share
    assert 0.5 < expected < 0.9
    kept = np.zeros(VOCAB_SIZE, int)
    for number in range(1000):
        row = row_of([[frequent, rare] * 10], number=number)
        positions, _ = ours.around(row, generator(seed=0, epoch=0, row=number, purpose="windows"))
        np.add.at(kept, row.tokens[positions], 1)
    assert kept[rare] == 10_000
    assert abs(kept[frequent] - 10_000 * expected) < 5 * math.sqrt(10_000 * expected * (1 - expected))


def test_windows_reach_over_what_is_dropped():
    """Token 1 is too rare to be a word: its neighbours are neighbours of each other."""
    kept, around = windows(window=1, subsample=0).around(row_of([[10, 1, 11, END_OF_TEXT]]), np.random.default_rng(0))
    assert kept.tolist() == [0, 2]
    assert around.tolist() == [[NOBODY, 11], [10, NOBODY]]


def test_widths_are_uniform():
    """The word k places away is in the window of a share of (6 - k) / 5 of the centres; 5 sigma."""
    ours, length = windows(subsample=0, sequence_length=20_000), 20_000
    row = row_of([[*np.random.default_rng(0).integers(4, VOCAB_SIZE, length)]])
    _, around = ours.around(row, np.random.default_rng(1))
    for distance in range(1, 6):
        for place in (5 - distance, 4 + distance):
            share = (6 - distance) / 5
            error = 5 * math.sqrt(length * share * (1 - share)) + 5  # the ends have less around them
            assert abs((around[:, place] != NOBODY).sum() - length * share) < error


def test_negatives_are_drawn_from_the_counts_to_three_quarters():
    """Chi-squared over 200,000 draws, mean 36 and deviation 8.5 for 37 words; 5 sigma."""
    ours = windows()
    drawn = np.bincount(ours.drawn((200_000,), np.random.default_rng(3)), minlength=VOCAB_SIZE)
    powers = np.where(COUNTS >= 5, COUNTS, 0) ** 0.75
    powers[END_OF_TEXT] = 0
    expected = 200_000 * powers / powers.sum()
    assert (drawn[expected == 0] == 0).all()
    words = expected > 0
    assert words.sum() == 37
    assert (((drawn - expected) ** 2)[words] / expected[words]).sum() < 36 + 5 * math.sqrt(2 * 36)


def test_a_corpus_without_words_is_refused():
    with pytest.raises(ValueError, match="fewer than two tokens of the corpus occur min_count=5 times"):
        windows(counts=np.array([50, 4, 9]))


def word2vec_updates(inputs, outputs, centre, context, negatives, *, alpha, mean):
    """The updates that word2vec.c makes for one centre, by its loops, on copies of the tables, float64."""
    inputs, outputs = inputs.copy(), outputs.copy()
    pairs = (
        [(context, negatives[0])] if mean else [([word], drawn) for word, drawn in zip(context, negatives, strict=True)]
    )
    for words, drawn in pairs:
        hidden = np.zeros(inputs.shape[1])
        for word in words:
            hidden += inputs[word]
        hidden /= len(words)
        error = np.zeros(inputs.shape[1])
        for number, target in enumerate([centre, *drawn]):
            if number and target == centre:
                continue
            g = ((number == 0) - 1 / (1 + math.exp(-hidden @ outputs[target]))) * alpha
            error += g * outputs[target]
            outputs[target] += g * hidden
        for word in words:
            inputs[word] += error
    return inputs, outputs


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_of_gradient_descent_is_an_update_of_word2vec(objective):
    """The gradient of one centre is minus its update by the learning rate, word by word.

    word2vec.c updates a vector before it takes the next pair, which is a matter of the second order in the learning
    rate: it is made small.
    """
    ours, alpha = objective(windows(window=2, negatives=8)), 1e-7
    compared = 0
    for row in rows(3):
        batch, model = ours.batch([row]), model_of(dtype=torch.float64)
        tables = [parameter.detach().numpy() for parameter in (model.input_vectors.weight, model.output_vectors.weight)]
        losses = ours.losses(model, batch)[TERM][0]
        for position in torch.nonzero(batch.targets[TERM][0] != IGNORED).flatten().tolist()[:6]:
            inside = batch.inputs["contexts"][0, position] != NOBODY
            context = batch.inputs["contexts"][0, position][inside].tolist()
            drawn = batch.inputs["negatives"][0, position]
            drawn = drawn[inside].tolist() if objective is SkipGram else [drawn.tolist()]
            centre = int(batch.targets[TERM][0, position])
            gradients = torch.autograd.grad(losses[position], list(model.parameters()), retain_graph=True)
            updated = word2vec_updates(
                *tables, centre, context, drawn, alpha=alpha, mean=objective is ContinuousBagOfWords
            )
            for gradient, before, after in zip(gradients, tables, updated, strict=True):
                assert np.allclose(-gradient.numpy(), (after - before) / alpha, atol=2e-5)
            compared += sum(word == centre for words in drawn for word in words)
    assert compared > 0  # a negative that is the centre was among them


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_are_those_of_the_formula(objective):
    ours, model = objective(windows()), model_of(dtype=torch.float64)
    batch = ours.batch(list(rows(2)))
    losses = ours.losses(model, batch)[TERM].detach()
    assert (losses.shape, losses.dtype) == ((2, 48), torch.float32)
    u, v = (parameter.detach().double().numpy() for parameter in model.parameters())
    for i, position in np.ndindex(2, 48):
        centre, expected = int(batch.targets[TERM][i, position]), 0.0
        if centre != IGNORED:
            inside = batch.inputs["contexts"][i, position] != NOBODY
            context = batch.inputs["contexts"][i, position][inside].tolist()
            drawn = batch.inputs["negatives"][i, position]
            if objective is SkipGram:
                predictions = [(u[word], words) for word, words in zip(context, drawn[inside].tolist(), strict=True)]
            else:
                predictions = [(u[context].mean(axis=0), drawn.tolist())]
            for hidden, words in predictions:
                expected += math.log1p(math.exp(-hidden @ v[centre]))
                expected += sum(math.log1p(math.exp(hidden @ v[word])) for word in words if word != centre)
        assert float(losses[i, position]) == pytest.approx(expected, rel=1e-5)


def test_a_row_without_words_costs_nothing():
    for objective in OBJECTIVES:
        ours, model = objective(windows()), model_of()
        batch = ours.batch([row_of([[1, 2, END_OF_TEXT]])])
        losses = ours.losses(model, batch)[TERM]
        assert (batch.num_targets, float(losses.detach().sum())) == ({TERM: 0}, 0.0)
        losses.sum().backward()
        assert all(not parameter.grad.any() for parameter in model.parameters())


def test_vectors_start_as_those_of_word2vec():
    size = Size(layers=1, width=16, heads=1, key_value_heads=1, hidden=1, learning_rate=1e-2)
    model, again = (word_vectors.build(size, vocab_size=500, sequence_length=8, seed=3) for _ in range(2))
    values = model.input_vectors.weight.detach()
    assert values.shape == (500, 16)
    assert torch.equal(values, again.input_vectors.weight)
    assert float(values.abs().max()) <= 0.5 / 16 < 1.01 * float(values.abs().max())
    assert not model.output_vectors.weight.any()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_words_of_a_group_become_neighbours(objective):
    """Even and odd tokens never share a document."""
    chance = np.random.default_rng(0)
    texts = [[*(2 * chance.integers(2, 10, 40) + number % 2), END_OF_TEXT] for number in range(20)]
    counts = np.bincount([token for text in texts for token in text], minlength=VOCAB_SIZE)
    ours = objective(windows(counts=counts, subsample=0, sequence_length=41))
    size = Size(layers=1, width=16, heads=1, key_value_heads=1, hidden=1, learning_rate=1e-2)
    model = word_vectors.build(size, vocab_size=VOCAB_SIZE, sequence_length=41, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    means = []
    for step in range(40):
        batch = ours.batch([row_of([texts[number]], number=number, epoch=step) for number in range(20)])
        mean = ours.losses(model, batch)[TERM].sum() / batch.num_targets[TERM]
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        means.append(float(mean.detach()))
    assert means[-1] < 0.9 * means[0]
    words = np.flatnonzero(counts >= 5)[1:].tolist()  # without end-of-text
    assert word_vectors.trained(model).nonzero().flatten().tolist() == words
    for word in words:
        found = word_vectors.neighbours(model, word, count=7)
        assert {other % 2 for other, _ in found} == {word % 2}
        assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
        assert word not in dict(found)


def test_exported_vectors_are_read_back(tmp_path):
    model = model_of()
    with torch.no_grad():
        model.output_vectors.weight[3] = 0.0  # never trained
    tokens = {5: "Ġrain", 3: "never", 2: "a b\n", 39: "水"}
    assert word_vectors.export_text(model, tokens, tmp_path / "vectors.txt") == 3
    first, *lines = (tmp_path / "vectors.txt").read_text(encoding="utf-8").splitlines()
    assert first == f"3 {DIMENSIONS}"
    for line, (name, number) in zip(lines, [("Ġrain", 5), ("a\\x20b\\n", 2), ("水", 39)], strict=True):
        token, *values = line.split(" ")
        assert token == name
        assert torch.equal(torch.tensor(list(map(float, values))), model.input_vectors.weight[number].detach())
