"""Exported folders as transformers loads them: their logits, tokens and samples are those of the run."""

import types

import pytest
import torch

from curation import tokens as corpus_tokens
from tests.exported import DOCUMENTS, LENGTH, MODELS, TINY, made_run, tokenizer_of
from trainers import answers, export, trained
from trainers.decoding import Decoding
from trainers.models.sizes import SIZES, Size
from trainers.row import NOBODY

pytestmark = pytest.mark.slow  # importing transformers takes seconds
AUTO = {
    "causal": ["AutoModelForCausalLM"],
    "masked": ["AutoModelForMaskedLM"],
    "replaced": ["AutoModelForPreTraining", "AutoModelForMaskedLM"],
    "spans": ["AutoModelForSeq2SeqLM"],
    "permuted": ["AutoModelForCausalLM"],
}
LENGTHS = [5, 1, 9, 6]  # of four documents in one row, which has padding
GROUPED = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-3, tied=False)


@pytest.fixture(scope="module")
def transformers():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield pytest.importorskip("transformers")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exported(transformers, tmp_path_factory):
    """Makes, of an objective, the folder with our model, theirs as the Auto classes load them, and their tokenizer."""
    made = {}

    def make(objective, size=TINY):
        if (objective, size) in made:
            return made[objective, size]
        folder = tmp_path_factory.mktemp(objective)
        run, output = made_run(folder, objective, size=size), f"{folder}/model"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(SIZES, "1m", size)
            export.export(run, output)
            ours = trained.load(run)
        loaded = []
        for name, part in zip(AUTO[objective], ["", "generator"], strict=False):
            kind = getattr(transformers, name)
            model, info = kind.from_pretrained(output, subfolder=part, dtype="auto", output_loading_info=True)
            assert not any(info[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"))
            assert model.dtype == torch.float32
            loaded.append(model.eval())
        assert [type(model).__name__ for model in loaded] == list(MODELS[objective])
        tokenizer = transformers.AutoTokenizer.from_pretrained(output)
        made[objective, size] = types.SimpleNamespace(ours=ours, theirs=loaded, tokenizer=tokenizer, folder=output)
        return made[objective, size]

    return make


def packed(vocab_size, *, seed=1):
    """Documents in one row: inputs, segments and positions, int64 (1, LENGTH)."""
    padding = LENGTH - sum(LENGTHS)
    segments = [i for i, length in enumerate(LENGTHS) for _ in range(length)] + [NOBODY] * padding
    positions = [p for length in LENGTHS for p in range(length)] + [0] * padding
    inputs = torch.randint(vocab_size, (1, LENGTH), generator=torch.Generator().manual_seed(seed))
    return inputs, torch.tensor([segments]), torch.tensor([positions])


def pieces(values):
    """The part of each document of what a row has for its positions."""
    return values[0, : sum(LENGTHS)].split(LENGTHS)


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [TINY, GROUPED])
def test_llama_has_our_logits_also_of_documents_in_one_row(exported, size):
    """Packing needs `use_cache=False` and no attention_mask: else documents see each other in transformers 5.23."""
    made = exported("causal", size)
    inputs, segments, positions = packed(made.ours.run.vocab_size)
    ours = made.ours.model(inputs, segments, positions)
    (model,) = made.theirs
    row = model(inputs[:, : sum(LENGTHS)], position_ids=positions[:, : sum(LENGTHS)], use_cache=False).logits
    assert ours.std() > 0.2
    for document, mine, in_row in zip(pieces(inputs), pieces(ours), pieces(row), strict=True):
        same(mine, model(document[None]).logits[0])
        same(in_row, mine)
    changed = inputs.clone()
    changed[0, 0] = (changed[0, 0] + 1) % made.ours.run.vocab_size
    again = model(changed[:, : sum(LENGTHS)], position_ids=positions[:, : sum(LENGTHS)], use_cache=False).logits
    assert torch.equal(again[0, LENGTHS[0] :], row[0, LENGTHS[0] :])
    assert not torch.equal(again[0, : LENGTHS[0]], row[0, : LENGTHS[0]])


@torch.no_grad()
def test_bert_has_our_logits_also_of_documents_in_one_row(exported):
    made = exported("masked")
    row = packed(made.ours.run.vocab_size)
    ours = made.ours.model(*row)
    assert ours.std() > 0.2
    for document, mine in zip(pieces(row[0]), pieces(ours), strict=True):
        same(mine, made.theirs[0](document[None]).logits[0])


@torch.no_grad()
def test_electra_has_our_logits_of_both_parts(exported):
    made = exported("replaced")
    row = packed(made.ours.run.vocab_size)
    for theirs, name in zip(made.theirs, ("discriminator", "generator"), strict=True):
        ours = made.ours.model.get_submodule(name)(*row)
        assert ours.std() > 0.05
        for document, mine in zip(pieces(row[0]), pieces(ours), strict=True):
            same(mine, theirs(document[None]).logits[0])


@torch.no_grad()
def test_t5_has_our_logits_also_of_documents_in_one_row(exported):
    made = exported("spans")
    inputs, segments, _ = packed(made.ours.run.vocab_size)
    decoder_inputs, *_ = packed(made.ours.run.vocab_size, seed=2)
    ours = made.ours.model(inputs, segments, decoder_inputs, segments)
    assert ours.std() > 0.2
    for source, target, mine in zip(pieces(inputs), pieces(decoder_inputs), pieces(ours), strict=True):
        same(mine, made.theirs[0](source[None], decoder_input_ids=target[None]).logits[0])


@torch.no_grad()
def test_xlnet_has_our_logits_of_what_is_predicted(exported):
    made = exported("permuted")
    inputs = packed(made.ours.run.vocab_size)[0]
    order = [7, 2, 15, 3]
    ranks = torch.full_like(inputs, -1)
    ranks[0, order] = torch.arange(len(order))
    predicted = torch.tensor([order])
    whole = torch.zeros_like(inputs), torch.arange(LENGTH)[None]
    ours = made.ours.model(inputs, *whole, ranks, predicted)
    hidden = (ranks[:, None, :] >= 0) & (ranks[:, :, None].clamp(min=0) <= ranks[:, None, :])
    mapping = torch.nn.functional.one_hot(predicted, LENGTH).float()
    assert ours.std() > 0.2
    same(ours, made.theirs[0](inputs, perm_mask=hidden.float(), target_mapping=mapping).logits)


@pytest.mark.parametrize("objective", AUTO)
def test_the_tokenizer_gives_what_the_corpus_has(exported, transformers, objective):
    made = exported(objective)
    encoder = corpus_tokens.load(tokenizer_of().encode(), "test")
    end = encoder.end_of_text_id
    for text in (*DOCUMENTS[:10], "  a naïve 字\n\n\tx"):
        *inner, _ = encoder.encode([text])[0].tolist()
        found = made.tokenizer(text)
        assert list(found) == ["input_ids", "attention_mask"]
        assert found["input_ids"] == ([end, *inner] if objective == "causal" else [*inner, end])
        assert made.tokenizer.decode(inner) == text
    strict = transformers.AutoTokenizer.from_pretrained(made.folder, split_special_tokens=True)
    *inner, _ = encoder.encode(["a <mask> or an <|endoftext|>"])[0].tolist()
    assert strict.encode("a <mask> or an <|endoftext|>", add_special_tokens=False) == inner
    assert len(made.tokenizer) == len(strict) == encoder.vocab_size  # nothing was added
    assert made.tokenizer.model_max_length == LENGTH
    assert (made.tokenizer.eos_token_id, made.tokenizer.pad_token_id) == (end, end)
    assert made.tokenizer.mask_token_id == made.ours.specials.mask_id
    sentinels = made.tokenizer.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(3)])
    assert tuple(sentinels) == made.ours.specials.sentinel_ids
    assert set(sentinels) <= set(made.tokenizer.all_special_ids)
    marked = made.tokenizer.encode("the <mask> page <extra_id_0>", add_special_tokens=False)
    assert made.tokenizer.convert_ids_to_tokens(marked) == ["the", "<mask>", "Ġpage", "<extra_id_0>"]


def answer(made, prompt, **fields):
    """Our first answer to a prompt."""
    asked = answers.Asked(prompt, 0, 1, Decoding(temperature=0.0, max_tokens=8))
    speaker = answers.Speaker.of(made.ours)
    with torch.inference_mode():
        return next(answers.ANSWERS[made.ours.run.settings.objective](speaker, asked))


def test_llama_generates_what_we_generate(exported):
    made = exported("causal")
    for prompt in ("the crawl", ""):
        inputs = made.tokenizer(prompt, return_tensors="pt")
        found = made.theirs[0].generate(**inputs, do_sample=False, max_new_tokens=8)
        assert made.tokenizer.decode(found[0], skip_special_tokens=True) == answer(made, prompt)["text"]


def test_t5_generates_what_we_generate(exported):
    made = exported("spans")
    inputs = made.tokenizer("the <extra_id_0> and water <extra_id_1>", return_tensors="pt")
    banned = [[made.ours.specials.sentinel_ids[2]]]  # trainers.generate gives no sentinel that was not asked for
    found = made.theirs[0].generate(**inputs, do_sample=False, max_new_tokens=8, bad_words_ids=banned)
    start, *new = found[0].tolist()
    assert start == made.ours.run.end_of_text_id
    ours = answer(made, "the <extra_id_0> and water <extra_id_1>")
    assert len(new) == ours["tokens"]
    spans = {"<extra_id_0>": [], "<extra_id_1>": []}
    into = []
    for token in new:
        name = made.tokenizer.convert_ids_to_tokens(token)
        if name in spans:
            into = spans[name]
        elif token != start:
            into.append(token)
    assert {name: made.tokenizer.decode(ids) for name, ids in spans.items()} == ours["spans"]


@pytest.mark.parametrize(("objective", "part"), [("masked", 0), ("replaced", 1)])
def test_fill_mask_fills_in_what_we_fill_in(exported, transformers, objective, part):
    made = exported(objective)
    pipeline = transformers.pipeline("fill-mask", model=made.theirs[part], tokenizer=made.tokenizer)
    marks = {made.ours.specials.mask_id, made.ours.run.end_of_text_id, *made.ours.specials.sentinel_ids}
    found = [(each["token"], each["score"]) for each in pipeline("the <mask> falls", top_k=10)]
    ours = answer(made, "the <mask> falls")["masks"][0]
    kept = [token for token, _ in found if token not in marks][: len(ours)]
    assert kept == [each["id"] for each in ours]


def test_the_harness_scores_a_text_as_training_did(exported):
    """lm-evaluation-harness on the folder: a text has the likelihood that it has behind an end-of-text."""
    pytest.importorskip("accelerate")
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    from lm_eval.api.instance import Instance

    made = exported("causal")
    harness = huggingface.HFLM(made.folder, device="cpu", batch_size=1)
    found = harness.loglikelihood([Instance("loglikelihood", {}, ("the crawl", " reads a"), 0)])
    ids = torch.tensor([made.tokenizer.encode("the crawl reads a")])
    new = len(made.tokenizer.encode(" reads a", add_special_tokens=False))
    assert ids[0, 0] == made.ours.run.end_of_text_id and 0 < new < ids.shape[1] - 1
    whole = torch.zeros_like(ids), torch.arange(ids.shape[1])[None]
    with torch.no_grad():
        scores = made.ours.model(ids, *whole)[0, :-1].log_softmax(-1)
    expected = scores.gather(1, ids[0, 1:, None])[-new:].sum().item()
    assert found[0][0] == pytest.approx(expected, abs=1e-5)
