import json
import math
import types

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from tokenizers import Tokenizer
from torch import nn

from curation import tokens
from tests.tiny_corpus import TOKENIZER, texts
from trainers import answers, decoding, generate, specials
from trainers.decoding import Decoding
from trainers.models import decoder, encoder, encoder_decoder, replaced, word_vectors
from trainers.models.sizes import Size
from trainers.objectives.causal import Causal
from trainers.row import Row

TINY = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)
MARKS = ["<extra_id_1>", "<extra_id_0>", "<mask>"]
LENGTH = 24  # tokens in a row
MODELS = {
    "causal": decoder,
    "masked": encoder,
    "replaced": replaced,
    "spans": encoder_decoder,
    "skipgram": word_vectors,
    "cbow": word_vectors,
}


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer whose last tokens are the marks."""
    made = Tokenizer.from_str(tokens.train(texts(40), 300).decode())
    made.add_special_tokens(MARKS)
    return made.to_str().encode()


@pytest.fixture(scope="module")
def trained_by(tokenizer):
    """Makes what `trainers.trained.load` gives, of an objective: an untrained model unless one is given."""
    vocab_size = Tokenizer.from_str(tokenizer.decode()).get_vocab_size()
    found = specials.read(tokenizer, end_of_text_id=0, vocab_size=vocab_size)
    assert (found.mask_id, found.sentinel_ids) == (vocab_size - 1, (vocab_size - 2, vocab_size - 3))

    def make(objective, model=None):
        if model is None:
            model = MODELS[objective].build(TINY, vocab_size=vocab_size, sequence_length=LENGTH, seed=1)
        run = types.SimpleNamespace(settings=types.SimpleNamespace(objective=objective, sequence_length=LENGTH))
        return types.SimpleNamespace(model=model.eval(), run=run, step=1, tokenizer=tokenizer, specials=found)

    return make


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line on a trained model; returns its exit code and what it printed."""

    def run(trained, *flags):
        monkeypatch.setattr(generate, "load", lambda folder, **_: trained)
        code = generate.main(["--run", "RUN", *flags])
        return code, *capsys.readouterr()

    return run


def answer(trained, prompt, *, samples=1, number=0, **fields):
    asked = answers.Asked(prompt, number, samples, Decoding(**{"max_tokens": 8, **fields}))
    return generate.answered(trained, asked, folder="RUN")


def plain_probabilities(logits, temperature, top_k, top_p):
    """By loops over one row: the tokens by their logits, k of them, then the first that have the share p."""
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    if temperature == 0:
        return [float(token == order[0]) for token in range(len(logits))]
    order = order[: top_k or None]
    weights = [math.exp((logits[token] - logits[order[0]]) / temperature) for token in order]
    shares, kept, total = [weight / sum(weights) for weight in weights], {}, 0.0
    for token, share in zip(order, shares, strict=True):
        if total >= top_p and top_p < 1:
            break
        kept[token] = share
        total += share
    return [kept.get(token, 0.0) / sum(kept.values()) for token in range(len(logits))]


@given(
    st.lists(st.integers(-8, 8), min_size=1, max_size=9),
    st.sampled_from([0.0, 0.3, 1.0, 2.5, 1e-310]),
    st.integers(0, 10),
    st.sampled_from([0.05, 0.333, 0.77, 1.0]),
)
@settings(max_examples=80, deadline=None)
def test_probabilities_are_those_of_loops(logits, temperature, top_k, top_p):
    rows = torch.tensor([logits, logits[::-1]], dtype=torch.float32)
    found = decoding.probabilities(rows, Decoding(temperature=temperature, top_k=top_k, top_p=top_p))
    for shares, row in zip(found, rows.tolist(), strict=True):
        assert shares.tolist() == pytest.approx(plain_probabilities(row, temperature, top_k, top_p), abs=1e-12)


def test_a_banned_token_has_no_share():
    logits = torch.tensor([[1.0, -torch.inf, 0.0]])
    for temperature in (0.0, 1.0, 1e-310):
        assert decoding.probabilities(logits, Decoding(temperature=temperature))[0, 1] == 0


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="the run has diverged; choose an earlier --step"):
        decoding.probabilities(torch.tensor([[1.0, torch.nan]]), Decoding())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(any), st.floats(0, 1, exclude_max=True))
@settings(max_examples=80, deadline=None)
def test_a_draw_is_the_inverse_of_the_distribution_function(weights, uniform):
    shares = torch.tensor([weights], dtype=torch.float64)
    drawn = int(decoding.draw(shares, torch.tensor([uniform], dtype=torch.float64)))
    assert weights[drawn] > 0
    sums = shares[0].cumsum(0).tolist()
    expected = next((token for token, reached in enumerate(sums) if reached > uniform * sums[-1]), drawn)
    assert drawn == expected


def test_draws_follow_the_shares():
    """10,000 draws; 5 sigma."""
    shares = torch.tensor([[0.1, 0.0, 0.6, 0.3]], dtype=torch.float64)
    uniform = torch.from_numpy(np.random.default_rng(0).random(10_000))
    counts = decoding.draw(shares.expand(10_000, 4), uniform).bincount(minlength=4).tolist()
    for count, share in zip(counts, shares[0].tolist(), strict=True):
        assert abs(count - 10_000 * share) <= 5 * math.sqrt(10_000 * share * (1 - share))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"temperature": -1.0}, "--temperature -1.0: expected a number from 0 on"),
        ({"temperature": math.nan}, "--temperature nan"),
        ({"top_k": -1}, "--top-k -1"),
        ({"top_p": 0.0}, "--top-p 0.0: expected a share above 0"),
        ({"top_p": math.nan}, "--top-p nan"),
        ({"max_tokens": 0}, "--max-tokens 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Decoding(**fields)


class Counting(nn.Module):
    """Each token is followed by the next number, 6 by the end of text, 0; it keeps the inputs that it saw."""

    def __init__(self, vocab_size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.vocab_size, self.seen = vocab_size, []

    def forward(self, inputs, segments, positions):
        assert segments.unique().tolist() == [0]
        assert torch.equal(positions, torch.arange(inputs.shape[1]).expand_as(inputs))
        self.seen.append(inputs)
        return 50.0 * nn.functional.one_hot((inputs + 1) % 7, self.vocab_size).float()


def test_a_continuation_stops_at_the_end_of_text(trained_by):
    model = Counting(303)
    found = answer(trained_by("causal", model), "")
    assert model.seen[0].tolist() == [[0]]  # a document begins behind an end of text
    assert [(line["tokens"], line["ended"]) for line in found] == [(7, True)]
    assert found[0]["text"] == Tokenizer.from_str(trained_by("causal").tokenizer.decode()).decode([1, 2, 3, 4, 5, 6])
    assert [(line["tokens"], line["ended"]) for line in answer(trained_by("causal", model), "", max_tokens=3)] == [
        (3, False)
    ]


def test_a_window_holds_as_many_tokens_as_a_row(trained_by):
    model = Counting(303)
    answer(trained_by("causal", model), "the rain " * 30, max_tokens=2)
    assert [inputs.shape[1] for inputs in model.seen] == [LENGTH, LENGTH]
    assert torch.equal(model.seen[0][:, 1:], model.seen[1][:, :-1])


def test_greedy_samples_take_the_largest_logit(trained_by):
    trained = trained_by("causal")
    speaker = answers.Speaker.of(trained)
    ids = [0, *speaker.encode("the rain")]
    with torch.no_grad():
        for _ in range(8):
            row = torch.tensor([ids])
            logits = trained.model(row, torch.zeros_like(row), torch.arange(len(ids))[None])[0, -1]
            ids.append(int(logits[:-3].argmax()))
    found = answer(trained, "the rain", temperature=0.0, samples=2)
    assert [line["text"] for line in found] == 2 * [speaker.decode(ids)]


def test_samples_are_repeated_by_the_seed(trained_by):
    trained = trained_by("causal")
    first, again, more = (answer(trained, "a page", seed=3, samples=samples) for samples in (2, 2, 4))
    assert first == again == more[:2]
    assert len({line["text"] for line in more}) == 4
    assert answer(trained, "a page", seed=4, samples=2) != first
    assert answer(trained, "a page", seed=3, samples=2, number=1) != first


@pytest.mark.slow
def test_a_trained_decoder_goes_on_as_it_was_taught(trained_by):
    """One sentence, forty steps."""
    trained = trained_by("causal")
    sentence = "rain falls on water and the crawl reads a page"
    ids = np.array([*answers.Speaker.of(trained).encode(sentence), 0], np.uint16)
    row = Row(0, 0, 0, ids, np.array([0, len(ids)]), np.array([0]))
    objective = Causal(LENGTH, 0)
    batch = objective.batch([row])
    model = decoder.build(TINY, vocab_size=303, sequence_length=LENGTH, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        objective.losses(model, batch)["loss"].mean().backward()
        optimizer.step()
    (found,) = answer(trained_by("causal", model), "rain falls", temperature=0.0, max_tokens=LENGTH)
    assert (found["text"], found["ended"]) == (sentence, True)


class Told(nn.Module):
    """Gives the logits of a table (n, V), whatever it reads, and keeps what it read."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, inputs, segments, positions):
        self.inputs = inputs
        return self.table[None, : inputs.shape[1]]


def test_masks_are_filled_with_the_most_probable_tokens(trained_by):
    speaker = answers.Speaker.of(trained_by("masked"))
    before, after = speaker.encode("the"), speaker.encode(" on water")
    rain, page, mask = speaker.encode(" rain")[0], speaker.encode(" page")[0], speaker.trained.specials.mask_id
    table = torch.zeros(LENGTH, 303)
    table[len(before), [rain, page]] = torch.tensor([9.0, 7.0])
    table[:, [0, mask]] = 99.0  # marks are never an answer
    model = Told(table)
    (found,) = answer(trained_by("masked", model), "the <mask> on water")
    # The blank before the mask belongs to what is masked.
    assert model.inputs.tolist() == [[*before, mask, *after, 0]]
    assert [each["id"] for each in found["masks"][0]][:2] == [rain, page]
    assert len(found["masks"][0]) == 5
    total = math.exp(9) + math.exp(7) + 303 - 2 - 4  # end of text and three marks have no share
    assert found["masks"][0][0]["probability"] == pytest.approx(math.exp(9) / total)
    assert found["text"] == speaker.decode([*before, rain, *after])


@pytest.mark.parametrize("objective", ["masked", "replaced"])
def test_a_model_of_masks_fills_them(trained_by, objective):
    (found,) = answer(trained_by(objective), "the <mask> reads<mask> page")
    assert [len(mask) for mask in found["masks"]] == [5, 5]
    assert found["text"].startswith("the")
    with pytest.raises(ValueError, match="the prompt has no <mask>: write it where a token is to be filled in"):
        answer(trained_by(objective), "the crawl")
    with pytest.raises(ValueError, match=f"was trained on rows of {LENGTH}; shorten it"):
        answer(trained_by(objective), "<mask> xyz" * LENGTH)


def test_sentinels_are_filled_by_what_follows_them(trained_by, monkeypatch):
    trained = trained_by("spans")
    speaker = answers.Speaker.of(trained)
    first, second = trained.specials.sentinel_ids
    crawl, page = speaker.encode(" crawl"), speaker.encode(" page and")
    spoken = [*crawl, first, *crawl, second, *page, 0]  # what comes before a sentinel fills nothing
    monkeypatch.setattr(answers, "extend", lambda *_, **__: [spoken])
    (found,) = answer(trained, "the <extra_id_0> reads a<extra_id_1>")
    assert found["text"] == "the crawl reads a page and"
    assert found["spans"] == {"<extra_id_0>": " crawl", "<extra_id_1>": " page and"}
    assert (found["tokens"], found["ended"]) == (len(spoken), True)


def test_a_model_of_spans_fills_them(trained_by):
    trained = trained_by("spans")
    found, again = (answer(trained, "the <extra_id_0> reads", samples=3, seed=5) for _ in range(2))
    assert found == again
    assert [set(line["spans"]) for line in found] == 3 * [{"<extra_id_0>"}]
    with pytest.raises(ValueError, match="the prompt has no <extra_id_0>: write it, then <extra_id_1> at most"):
        answer(trained, "the <mask> reads")


def test_greedy_spans_take_the_largest_logit(trained_by):
    """The states of the encoder are computed once; the whole model gives the same tokens."""
    trained = trained_by("spans")
    specials, speaker = trained.specials, answers.Speaker.of(trained)
    prompt = torch.tensor([[*speaker.encode("the <extra_id_0> reads", {"<extra_id_0>": specials.sentinel_ids[0]}), 0]])
    new = [0]
    with torch.no_grad():
        while len(new) < 9 and (len(new) == 1 or new[-1]):
            row = torch.tensor([new])
            logits = trained.model(prompt, torch.zeros_like(prompt), row, torch.zeros_like(row))[0, -1]
            logits[[specials.mask_id, specials.sentinel_ids[1]]] = -torch.inf
            new.append(int(logits.argmax()))
    spans = answers._spans(new[1:], {specials.sentinel_ids[0]})
    (found,) = answer(trained, "the <extra_id_0> reads", temperature=0.0)
    assert found["tokens"] == len(new) - 1
    assert found["spans"]["<extra_id_0>"] == speaker.decode(spans.get(specials.sentinel_ids[0], []))


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
def test_word_vectors_have_neighbours(trained_by, objective):
    trained = trained_by(objective)
    speaker = answers.Speaker.of(trained)
    rain, water, page = (speaker.encode(word)[0] for word in (" rain", " water", " page"))
    with torch.no_grad():
        trained.model.output_vectors.weight[[rain, water, page]] = 1.0
        trained.model.input_vectors.weight[[rain, water]] = 1.0
    (found,) = answer(trained, " rain")
    assert (found["id"], found["token"]) == (rain, " rain")
    assert [near["id"] for near in found["neighbours"]] == [water, page]  # others were never trained
    assert found["neighbours"][0]["cosine"] == pytest.approx(1)
    with pytest.raises(ValueError, match="the prompt is empty"):
        answer(trained, "")


def test_an_objective_without_text_is_refused(trained_by, command):
    code, out, error = command(trained_by("permuted", Counting(303)), "--prompt", "a")
    assert (code, out) == (1, "")
    assert error == (
        "trainers.generate: the run in RUN was trained by permuted, which gives no text; "
        "give a run of causal, masked, replaced, spans, skipgram or cbow\n"
    )


def test_a_tokenizer_that_is_none_is_refused(trained_by, command):
    trained = trained_by("causal")
    trained.tokenizer = TOKENIZER
    code, _, error = command(trained)
    assert code == 1
    assert error.startswith("trainers.generate: the tokenizer of the run cannot be read: ")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--temperature", "-2"], "--temperature -2.0"),
        (["--prompts", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(trained_by, command, flags, message):
    code, out, error = command(trained_by("causal"), *flags)
    assert (code, out) == (1, "")
    assert message in error
    assert error.count("\n") == 1


def test_prompts_of_a_file_are_answered_in_turn(trained_by, command, tmp_path):
    (tmp_path / "prompts.txt").write_text("the rain\n\na page", encoding="utf-8")
    flags = ["--prompts", str(tmp_path / "prompts.txt"), "--samples", "2", "--max-tokens", "4", "--top-k", "9"]
    trained = trained_by("causal")
    code, out, _ = command(trained, *flags, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(line["prompt"], line["sample"]) for line in lines] == [
        (prompt, sample) for prompt in ("the rain", "", "a page") for sample in (0, 1)
    ]
    _, shown, _ = command(trained, *flags)
    heads = [line for line in shown.splitlines() if line.startswith("---")]
    assert heads[3].startswith("--- prompt 2, sample 2, 4 tokens, ")
    (tmp_path / "prompts.txt").write_bytes(b"\xff\n")
    assert "is not UTF-8" in command(trained, *flags)[2]
    (tmp_path / "prompts.txt").write_bytes(b"")
    assert "is empty; write one prompt a line" in command(trained, *flags)[2]


def test_a_terminal_gets_no_control_characters(trained_by, command):
    prompt = "a\x1b[31m\nb\x9b"
    code, out, _ = command(trained_by("causal", Counting(303)), "--prompt", prompt, "--max-tokens", "1")
    assert code == 0
    assert out.startswith("a\\x1b[31m\nb\\x9b")
    assert out.isascii()
    (line,) = command(trained_by("causal", Counting(303)), "--prompt", prompt, "--json")[1].splitlines()
    assert json.loads(line)["prompt"] == prompt


def test_masks_and_neighbours_are_shown_as_tables(trained_by, command):
    code, out, _ = command(trained_by("masked"), "--prompt", "the <mask>")
    assert code == 0
    head, *rows = out.splitlines()[1:]
    assert head.split() == ["mask", "token", "probability"]
    assert len(rows) == 5
    trained = trained_by("skipgram")
    with torch.no_grad():
        trained.model.output_vectors.weight[:50] = 1.0
    code, out, _ = command(trained, "--prompt", "rain")
    assert code == 0
    assert [line.split() for line in out.splitlines() if "cosine" in line] == [["token", "cosine"]] * out.count(
        "cosine"
    )
