import gzip
import json
import os

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from curation import tokens
from curation.manifest import sha256_of
from tests.tiny_corpus import WORDS
from tests.tiny_run import LENGTH, TINY, make_tokenizer, write_run
from trainers import classification, examples, finetune, gains, lora, prompts, trained, tuned
from trainers.answers import Speaker
from trainers.catalog import OBJECTIVES
from trainers.models import word_vectors
from trainers.models.sizes import SIZES
from trainers.objectives.skipgram import ContinuousBagOfWords, Windows
from trainers.row import Row
from trainers.tuning import Tuning, prepare

WRITERS = ["causal", "spans"]


@pytest.fixture(autouse=True, scope="module")
def tiny():
    """One thread and the size of these tests; what a command sets for its process is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Makes a run of an objective, once."""
    tokenizer, made = make_tokenizer(), {}

    def run(objective):
        if objective not in made:
            folder = str(tmp_path_factory.mktemp("runs") / objective)
            made[objective] = write_run(folder, objective, tokenizer, spread=True)
        return made[objective]

    return run


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def labelled(count, seed=0):
    """Three words; the label says whether one of them is rain."""
    chance = np.random.default_rng(seed)
    others = [word for word in WORDS if word != "rain"]
    for number in range(count):
        words = [*chance.choice(others, 2), "rain" if number % 2 else "text"]
        yield {"text": " ".join(chance.permutation(words)), "label": "wet" if number % 2 else "dry"}


def asked(count):
    """The answer is the last word of the prompt."""
    chance = np.random.default_rng(1)
    for _ in range(count):
        words = chance.choice(["rain", "text", "page", "water"], 2)
        yield {"prompt": f"{words[0]} and {words[1]}:", "answer": f" {words[1]}"}


@pytest.fixture(scope="module")
def wet_or_dry(tmp_path_factory):
    return lines(tmp_path_factory.mktemp("data") / "labelled.jsonl", labelled(200))


@pytest.fixture
def command(tmp_path, capsys):
    """Runs the command line; returns its exit code, what it wrote and what it printed."""

    def run(run, data, *flags, task="classify", base="--run"):
        folder = str(tmp_path / f"out{len(os.listdir(tmp_path))}")
        named = {"--data": data, "--task": task, base: run, "--output": folder, "--threads": "1"}
        code = finetune.main([part for pair in named.items() for part in pair] + [*flags])
        written = None
        if code == 0:
            with open(f"{folder}/finetune.json") as file:
                written = json.load(file)
        return code, folder, written, capsys.readouterr()

    return run


QUICK = {
    "causal": "lora",
    "masked": "frozen",
    "replaced": "full",
    "spans": "lora",
    "permuted": "full",
    "cbow": "frozen",
}


@pytest.mark.parametrize(
    "objective, method",
    [
        pytest.param(objective, method, marks=() if QUICK.get(objective) == method else pytest.mark.slow)
        for objective in sorted(OBJECTIVES)
        for method in ("frozen", "full", "lora")
        if (objective, method) not in {("skipgram", "lora"), ("cbow", "lora")}
    ],
)
def test_every_family_learns_a_label(command, run_of, wet_or_dry, objective, method):
    """From states of words that were never trained; what they say of a text is learned, or read."""
    rate = "0.1" if method == "frozen" else "0.01"
    flags = ["--method", method, "--steps", "40", "--no-compare-scratch", "--learning-rate", rate]
    code, folder, written, (out, err) = command(run_of(objective), wet_or_dry, *flags)
    assert (code, err) == (0, "")
    arm = written["arms"]["transfer"]
    assert arm["losses"][0] == pytest.approx(np.log(2), rel=1e-6)  # every label is as probable
    assert np.mean(arm["losses"][-10:]) < 0.45
    assert arm["metrics"]["accuracy"] >= 0.7
    assert f"transfer    {method}: {arm['weights_learned']:,} weights learn, 40 steps at {rate.rstrip('0')}" in out

    base, found = trained.load(run_of(objective)).model.state_dict(), tuned.load(folder)
    after = found.trained.model.state_dict()
    changed = {name for name in base if not torch.equal(base[name], after[name])}
    parts = classification.PARTS[type(found.trained.model)]
    if method == "frozen":
        assert changed == set()
        assert arm["weights_learned"] == 2 * (TINY.width + 1)
    elif method == "lora":
        assert changed == set(lora.targets(found.trained.model, parts=parts, projections="qv")) != set()
    else:
        assert changed
        assert all(name.startswith(parts) for name in changed)
    assert_same_predictions(folder, found, wet_or_dry)


def assert_same_predictions(folder, found, data):
    """The model that was written says of each text, by itself, what the trained one said of it in a batch."""
    with open(data) as file:
        texts = {number: json.loads(line)["text"] for number, line in enumerate(file, 1)}
    speaker = Speaker.of(found.trained)
    learner = classification.Learner(found.classifier, found.labels, speaker.end_id, torch.device("cpu"))
    with open(f"{folder}/predictions.jsonl") as file:
        predictions = [json.loads(line) for line in file]
    for prediction in predictions:
        text = classification.Labelled(0, speaker.encode(texts[prediction["line"]]), 0)
        with torch.no_grad():
            shares = learner.logits([text]).softmax(dim=-1)[0]
        assert prediction["found"] == found.labels[int(shares.argmax())]
        wanted = shares[found.labels.index(prediction["wanted"])]
        assert prediction["nats"] == pytest.approx(-float(wanted.log()), abs=1e-4)


def test_a_comparison_says_what_was_gained(command, run_of, wet_or_dry, capsys):
    flags = ["--method", "frozen", "--steps", "6", "--seed", "3"]
    code, folder, written, (out, _) = command(run_of("cbow"), wet_or_dry, *flags)
    assert code == 0
    assert sorted(os.listdir(folder)) == ["base", "finetune.json", "model.safetensors", "predictions.jsonl"]
    ours, scratch = (written["arms"][name] for name in ("transfer", "scratch"))
    assert (ours["method"], scratch["method"], ours["steps"], scratch["steps"]) == ("frozen", "full", 6, 6)
    assert (ours["learning_rate"], scratch["learning_rate"]) == (1 / TINY.width, 1e-2)
    with open(f"{folder}/predictions.jsonl") as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == written["data"]["held_out"]["examples"] == 200 - written["data"]["learned"]["examples"]
    gained = np.mean([row["right"] for row in rows]) - np.mean([row["scratch_right"] for row in rows])
    assert written["gains"]["accuracy"]["difference"] == pytest.approx(gained)
    lost = np.mean([row["scratch_nats"] - row["nats"] for row in rows])
    assert written["gains"]["loss"]["difference"] == pytest.approx(lost)
    assert written["base"]["step"] == 7
    assert written["data"]["learned"]["sha256"] == sha256_of(wet_or_dry)
    table = {row.split()[0]: row.split()[1:] for row in out.splitlines() if row.startswith(("metric", "accu", "macro"))}
    assert table["metric"] == ["transfer", "scratch", "gain", "from", "to"]
    assert table["accuracy"][2] == f"{gained:.3f}"

    again = command(run_of("cbow"), wet_or_dry, *flags)
    assert again[2] == written
    for name in os.listdir(folder):
        if os.path.isfile(f"{folder}/{name}"):
            assert sha256_of(f"{folder}/{name}") == sha256_of(f"{again[1]}/{name}")
    assert command(run_of("cbow"), wet_or_dry, *flags[:-1], "4")[2]["arms"] != written["arms"]


def test_an_architecture_is_trained_from_scratch_alone(command, run_of, wet_or_dry):
    flags = ["--steps", "3"]
    alone = command(run_of("cbow"), wet_or_dry, *flags, base="--scratch-like")[2]
    both = command(run_of("cbow"), wet_or_dry, *flags)[2]
    assert list(alone["arms"]) == ["scratch"]
    assert alone["gains"] == {}
    assert alone["arms"]["scratch"] == both["arms"]["scratch"]
    code, *_, (_, err) = command(run_of("cbow"), wet_or_dry, "--method", "lora", base="--scratch-like")
    assert code == 1
    assert "--scratch-like trains all weights at --scratch-learning-rate" in err


def test_what_was_pretrained_helps_where_labels_do_not_reach(command, tmp_path):
    """Words of two kinds, each beside words of its kind; half of them have no label to learn from."""
    kinds = [["river", "rain", "lake", "snow", "ice", "sea"], ["bread", "salt", "rice", "soup", "cake", "corn"]]
    chance = np.random.default_rng(0)
    documents = [" " + " ".join(chance.choice(kinds[n % 2], 8)) for n in range(60)]
    tokenizer = tokens.train(documents, 330)
    folder = write_run(str(tmp_path / "run"), "cbow", tokenizer, model=word_vectors_of(documents, tokenizer))
    sides = [
        lines(tmp_path / f"{name}.jsonl", [{"text": f" {word}", "label": n} for n in (0, 1) for word in kinds[n][part]])
        for name, part in (("learned", slice(3)), ("held-out", slice(3, 6)))
    ]
    flags = ["--validation", sides[1], "--method", "frozen", "--steps", "30"]
    _, _, written, _ = command(folder, sides[0], *flags)
    assert written["arms"]["transfer"]["metrics"]["accuracy"] == 1.0
    assert written["arms"]["scratch"]["losses"][-1] < 0.1  # it has learned the labels of the words that it was given
    assert written["gains"]["loss"]["low"] > 0


def word_vectors_of(documents, tokenizer):
    encoder = Tokenizer.from_str(tokenizer.decode())
    ids = [np.array([*encoder.encode(text).ids, 0]) for text in documents]
    counts = np.bincount(np.concatenate(ids), minlength=encoder.get_vocab_size())
    objective = ContinuousBagOfWords(Windows(0, counts, LENGTH, 0))
    model = word_vectors.build(TINY, vocab_size=encoder.get_vocab_size(), sequence_length=LENGTH, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for epoch in range(60):
        rows = [Row(epoch, n, 0, row, np.array([0, len(row)]), np.array([n])) for n, row in enumerate(ids)]
        optimizer.zero_grad()
        objective.losses(model, objective.batch(rows))["loss"].mean().backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_what_is_read_is_the_mean_of_the_texts_states(run_of, objective):
    """Each text by itself, by loops, with the end of text that the objective trains with; others and padding unseen."""
    base = trained.load(run_of(objective))
    model, end = base.model, base.specials.end_of_text_id
    prepare(model, Tuning("frozen", 1, 1, 1.0, 0), parts=())
    classifier = classification.Classifier(model, width=TINY.width, labels=3)
    torch.nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(1))
    texts = [[5, 6, 7, 8, 9, 10, 11], [40], [41, 5, 17]]
    examples = [classification.Labelled(0, text, 0) for text in texts]
    learner = classification.Learner(classifier, "abc", end, torch.device("cpu"))
    with torch.no_grad():
        together = learner.logits(examples)
        for text, found in zip(texts, together, strict=True):
            decoder = objective == "causal"
            row = torch.tensor([[end, *text] if decoder else [*text, end]])
            states = classification.states(model, row, torch.zeros_like(row), torch.arange(row.shape[1])[None])[0]
            states = states[1:] if decoder else states[:-1]
            mean = sum(states) / len(text)
            normal = (mean - mean.mean()) / (mean.var(unbiased=False) + 1e-5).sqrt()
            expected = classifier.head.weight @ normal + classifier.head.bias
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "objective, method",
    [
        ("causal", "full"),
        pytest.param("causal", "lora", marks=pytest.mark.slow),
        pytest.param("spans", "full", marks=pytest.mark.slow),
        pytest.param("spans", "lora", marks=pytest.mark.slow),
    ],
)
def test_a_model_learns_to_answer(command, run_of, tmp_path, objective, method):
    data = lines(tmp_path / "asked.jsonl", asked(64))
    flags = ["--method", method, "--learning-rate", "0.02", "--steps", "80", "--validation", data, "--rank", "16"]
    code, folder, written, (out, err) = command(run_of(objective), data, *flags, "--no-compare-scratch", task="prompts")
    assert (code, err) == (0, "")
    metrics = written["arms"]["transfer"]["metrics"]
    losses = written["arms"]["transfer"]["losses"]
    if method == "full":
        assert metrics["nats_per_token"] < 0.4
        assert metrics["exact_match"] > 0.6
    else:  # adapters alone do not make a head of chance weights say everything
        assert metrics["nats_per_token"] < losses[0] - 0.4
    assert "warning     64 texts to validate with are also learned from: scores are too good" in out
    with open(f"{folder}/predictions.jsonl") as file:
        rows = [json.loads(line) for line in file]
    assert sum(row["found"] == row["wanted"] for row in rows) == round(64 * metrics["exact_match"])

    found = tuned.load(folder)
    learner = prompts.Learner(found.trained.model, Speaker.of(found.trained), torch.device("cpu"))
    encoded, _ = prompts.encode(
        learner.speaker, examples.read(data, task="prompts").examples, decoder=objective == "causal"
    )
    assert learner.scores(encoded, batch_size=9).metrics == pytest.approx(metrics, abs=1e-5)


@pytest.mark.parametrize("objective", WRITERS)
def test_answers_are_scored_as_by_loops(run_of, objective):
    """Each example alone, all logits; what is written is what the largest logits say."""
    base = trained.load(run_of(objective))
    speaker, model = Speaker.of(base), base.model
    learner = prompts.Learner(model, speaker, torch.device("cpu"))
    pairs = [([5, 6, 7], [8, 9, 0]), ([11] * 9, [12, 0]), ([13], [14, 15, 16, 17, 18])]  # the last one was cut
    batch = [prompts.Prompted(n, *pair, "") for n, pair in enumerate(pairs)]
    expected, largest = [], []
    with torch.no_grad():
        for prompt, answer in pairs:
            if objective == "causal":
                row = torch.tensor([[0, *prompt, *answer[:-1]]])
                logits = model(row, torch.zeros_like(row), torch.arange(row.shape[1])[None])[0, len(prompt) :]
            else:
                source, row = torch.tensor([[*prompt, 0]]), torch.tensor([[0, *answer[:-1]]])
                logits = model(source, torch.zeros_like(source), row, torch.zeros_like(row))[0]
            assert len(logits) == len(answer)
            expected.append(-logits.log_softmax(dim=-1)[torch.arange(len(answer)), torch.tensor(answer)])
            largest.append(int(logits[0].argmax()))
        torch.testing.assert_close(learner.losses(batch), torch.cat(expected), rtol=1e-4, atol=1e-4)
        written = learner.write(batch)
        for n, (example, tokens) in enumerate(zip(batch, written, strict=True)):
            assert tokens[0] == largest[n]
            assert len(tokens) == 6 or (tokens[-1] == 0 and 0 not in tokens[:-1])
            # What was written is the most probable answer, token after token.
            alone = learner.losses([prompts.Prompted(0, example.prompt, tokens, "")])
            other = learner.losses(
                [prompts.Prompted(0, example.prompt, [(token + 1) % 300 for token in tokens[:1]], "")]
            )
            assert float(alone[0]) <= float(other[0])


def test_prompts_lose_their_beginning_and_answers_their_end(run_of):
    speaker = Speaker.of(trained.load(run_of("causal")))
    prompt, answer = "the rain falls " * 20, " on the water" * 20
    rows = [
        examples.Example(1, "a page", " text"),
        examples.Example(2, prompt, " text"),
        examples.Example(3, "a", answer),
    ]
    for decoder in (True, False):
        (short, left, right), cut = prompts.encode(speaker, rows, decoder=decoder)
        assert cut == 2
        assert speaker.decode(short.prompt) == "a page"
        assert short.answer[-1] == left.answer[-1] == speaker.end_id != right.answer[-1]
        assert list(left.prompt) == speaker.encode(prompt)[-len(left.prompt) :]
        assert list(right.answer) == speaker.encode(answer)[: len(right.answer)]
        if decoder:
            assert [len(each.prompt) + len(each.answer) for each in (left, right)] == [LENGTH, LENGTH]
        else:
            assert (len(left.prompt), len(right.answer)) == (LENGTH - 1, LENGTH)


def test_texts_are_cut_and_it_is_said(command, run_of, tmp_path):
    rows = [{"text": word * n, "label": word} for word in (" rain", " text") for n in range(1, 41)]
    *_, written, (out, _) = command(run_of("cbow"), lines(tmp_path / "long.jsonl", rows), "--steps", "1")
    assert written["cut"] == 2 * (40 - LENGTH + 1)  # an end of text belongs to a row
    assert f"warning     {written['cut']} examples were cut to the {LENGTH} tokens of a row" in out


BAD = [
    ("", "is empty: expected a line"),
    ("\n\n", "is empty: expected a line"),
    ("{]\n", "line 1 is not JSON"),
    ("[1]\n", "line 1 is no object"),
    ('{"text": "a"}\n', 'line 1 has no "label", found text; every line needs text and label'),
    ('{"text": " ", "label": 1}\n', 'line 1: "text" is empty'),
    ('{"text": 7, "label": 1}\n', 'line 1: "text" is 7, expected a text'),
    ('{"text": "a", "label": 0.5}\n', 'line 1: "label" is 0.5, expected a text or a whole number'),
    ('{"text": "a", "label": null}\n', 'line 1: "label" is null'),
    ('{"text": "\\ud800", "label": 1}\n', 'line 1: "text" has half of a surrogate pair'),
    (
        "".join(json.dumps({"text": f"{n} rain", "label": 1}) + "\n" for n in range(40)),
        "every example has the label '1'",
    ),
    ("".join(json.dumps({"text": f"{n} rain", "label": n}) + "\n" for n in range(40)), "labels for"),
    ('{"text": "a", "label": 1}\n', "has 1 examples"),
]


@pytest.mark.parametrize("content, message", BAD)
def test_data_that_cannot_be_meant(command, run_of, tmp_path, content, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    code, folder, _, (_, err) = command(run_of("cbow"), str(path))
    assert code == 1
    assert err.startswith("trainers.finetune: ")
    assert message in err
    assert err.count("\n") == 1
    assert not os.path.exists(folder)


def test_a_label_that_is_only_validated_with(command, run_of, wet_or_dry, tmp_path):
    other = lines(tmp_path / "other.jsonl", [{"text": "rain", "label": "wet"}, {"text": "snow", "label": "cold\x1b"}])
    code, _, _, (_, err) = command(run_of("cbow"), wet_or_dry, "--validation", other)
    assert code == 1
    assert "the label 'cold\\x1b' of line 2 is among the examples to validate with and not among those to learn" in err


@pytest.mark.parametrize(
    "objective, flags, message",
    [
        ("masked", ["--task", "prompts"], "--task prompts needs a model that writes, of --objective causal or spans"),
        ("causal", ["--task", "prompts", "--method", "frozen"], "--method frozen trains a head alone"),
        ("cbow", ["--method", "lora"], "--method lora adapts attention and word vectors have none"),
        (
            "causal",
            ["--method", "lora", "--rank", "17"],
            "--rank 17 is more than the 16 that model.layers.0.self_attn.v",
        ),
        ("cbow", ["--learning-rate", "1e30", "--method", "full"], "give a lower learning rate than 1e+30"),
        ("cbow", ["--step", "9"], "has no checkpoint of step 9"),
    ],
)
def test_flags_that_cannot_be_meant(command, run_of, wet_or_dry, tmp_path, objective, flags, message):
    data = lines(tmp_path / "asked.jsonl", asked(20)) if "prompts" in flags else wet_or_dry
    code, folder, _, (_, err) = command(run_of(objective), data, *flags)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1
    assert not os.path.exists(folder)


def test_what_is_there_is_not_overwritten(command, run_of, wet_or_dry, tmp_path):
    code, folder, _, _ = command(run_of("cbow"), wet_or_dry, "--steps", "1", "--no-compare-scratch")
    assert code == 0
    before = sha256_of(f"{folder}/model.safetensors")
    code, _, _, (_, err) = command(run_of("cbow"), wet_or_dry, "--output", folder)
    assert (code, err) == (1, f"trainers.finetune: {folder} exists already; choose another --output\n")
    assert sha256_of(f"{folder}/model.safetensors") == before
    with pytest.raises(ValueError, match="holds no fine-tuned model"):
        tuned.load(str(tmp_path))


@pytest.mark.parametrize("suffix, opener", [(".gz", gzip.open), (".zst", zstandard.open)])
def test_packed_files(tmp_path, suffix, opener):
    path = str(tmp_path / f"data.jsonl{suffix}")
    with opener(path, "wt", encoding="utf-8") as file:
        file.write('{"text": "räin", "label": true}\n')
    assert examples.read(path, task="classify").examples == (examples.Example(1, "räin", "true"),)
    with open(path, "r+b") as file:
        file.truncate(20)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        examples.read(path, task="classify")


@given(st.lists(st.text("ab", max_size=4), max_size=30), st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_a_split_goes_by_the_text(texts, share):
    rows = [examples.Example(n, text, "") for n, text in enumerate(texts)]
    learned, held_out = examples.split(rows, share)
    assert sorted([*learned, *held_out], key=lambda row: row.line) == rows
    assert not {row.text for row in learned} & {row.text for row in held_out}
    again = examples.split([examples.Example(0, row.text, "other") for row in reversed(rows)], share)
    assert [sorted(row.text for row in side) for side in again] == [
        sorted(r.text for r in s) for s in (learned, held_out)
    ]


def test_a_split_has_the_share_that_is_asked_for():
    """5 sigma."""
    rows = [examples.Example(n, str(n), "") for n in range(4000)]
    assert abs(len(examples.split(rows, 0.2)[1]) - 800) <= 5 * (4000 * 0.2 * 0.8) ** 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_macro_f1_is_that_of_loops(pairs):
    scores = []
    for label in {label for pair in pairs for label in pair}:
        hits = sum(pair == (label, label) for pair in pairs)
        wanted, chosen = (sum(pair[side] == label for pair in pairs) for side in (0, 1))
        precision, recall = (hits / number if number else 0.0 for number in (chosen, wanted))
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert classification.macro_f1(*np.array(pairs).T) == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("count, won, lost", [(40, 0.2, 0.05), (200, 0.1, 0.1), (25, 0.02, 0.02)])
def test_intervals_of_matched_shares_hold_what_they_should(count, won, lost):
    """Of 2,000 draws at least 93% have the true difference inside; 95% are meant."""
    draws = np.random.default_rng(0).choice(3, size=(2000, count), p=[won, lost, 1 - won - lost])
    found = [gains.matched(draw == 0, draw == 1) for draw in draws]
    assert np.mean([gain.low <= won - lost <= gain.high for gain in found]) >= 0.93
    assert found[0].difference == pytest.approx(np.mean((draws[0] == 0) * 1.0 - (draws[0] == 1)))


def test_intervals_of_ratios_hold_what_they_should():
    """Nats gained on answers of 1 to 8 tokens; 2,000 draws of 100."""
    chance = np.random.default_rng(0)
    weights = chance.integers(1, 9, (2000, 100)).astype(float)
    gained = weights * 0.3 + chance.normal(0, 1, weights.shape) * weights**0.5
    found = [gains.ratio(*pair) for pair in zip(gained, weights, strict=True)]
    assert 0.93 <= np.mean([gain.low <= 0.3 <= gain.high for gain in found]) <= 0.97
    assert found[0].difference == pytest.approx(gained[0].sum() / weights[0].sum())
    assert gains.ratio(np.array([1.0]), np.array([2.0])) == gains.Gain(0.5, -np.inf, np.inf)
