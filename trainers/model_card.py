"""The model card of an export: what was trained on which data, how far, at what cost, and how each token is traced.

What comes from outside, such as the names of recipes, is escaped for Markdown. The paths of the machine are left out.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainers import catalog, tombstones
from trainers import run as runs
from trainers.lineage import Lineage, command, lineage, measured
from trainers.run import Run
from trainers.table import escaped
from trainers.trained import Trained

NAME = "README.md"
_LEAST_LANGUAGE = 0.01  # share of the documents from which on a language is named
LOADERS = {  # of transformers, by the class of the model
    "LlamaForCausalLM": "AutoModelForCausalLM",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "ElectraForPreTraining": "AutoModelForPreTraining",
    "ElectraForMaskedLM": "AutoModelForMaskedLM",
    "T5ForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "XLNetLMHeadModel": "XLNetLMHeadModel",
}
_PIPELINES = {"causal": "text-generation", "masked": "fill-mask"}
_LEARNED = {
    "causal": "each token from those before it",
    "masked": "hidden tokens from all others of their document",
    "replaced": "which tokens a small generator had replaced, and what it had hidden",
    "spans": "spans that were cut out of a document",
    "permuted": "some tokens of a document, in random order, from the others and those before in that order",
    "skipgram": "the tokens around a token",
    "cbow": "a token from those around it",
}


def card(trained: Trained, folder: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """The README.md of an export of the run in `folder`, with the config.json of each part."""
    known = tombstones.ids(tombstones.load(os.path.join(folder, runs.TOMBSTONES)))
    lineages = [lineage(source, known) for source in trained.run.sources]
    sections = [
        _head(trained, lineages, configs),
        _introduction(trained, configs),
        _use(trained, configs),
        _data(trained, lineages, forgotten=len(known)),
        _training(trained, folder),
        _again(trained.run, trained.step),
        _limits(trained),
    ]
    return "\n\n".join(sections) + "\n"


def text(value: object) -> str:
    """A value as Markdown that shows it as it is: on one line, every sign that could mean something escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", escaped(str(value)))


def _head(trained: Trained, lineages: Sequence[Lineage], configs: Sequence[Mapping[str, Any]]) -> str:
    objective = trained.run.settings.objective
    codes = dict.fromkeys(code for found in lineages for code in _named(found.languages))
    languages = [code for code in codes if re.fullmatch(r"[a-z]{2,3}", code)]
    lines = ["---", "license: other  # not chosen yet: say on which terms the model may be used"]
    lines += ["language:", *(f"- {json.dumps(code)}" for code in languages)] if languages else []
    lines += ["library_name: transformers"] if configs else []
    lines += [f"pipeline_tag: {_PIPELINES[objective]}"] if objective in _PIPELINES else []
    tags = dict.fromkeys([*(config["model_type"] for config in configs), objective, "pretraining", "common-crawl"])
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _introduction(trained: Trained, configs: Sequence[Mapping[str, Any]]) -> str:
    run, settings = trained.run, trained.run.settings
    names = " and ".join(config["architectures"][0] for config in configs) or "word2vec"
    size = sum(parameter.numel() for parameter in trained.model.parameters())
    recipes = ", ".join(dict.fromkeys(text(source.recipe or "unnamed") for source in run.sources))
    return (
        f"# {names} {settings.size}, pre-trained on {recipes}\n\n"
        f"{size:,} parameters in float32 ({catalog.OBJECTIVES[settings.objective].family}), after step "
        f"{trained.step:,} of {settings.steps:,}. What was learned is to predict {_LEARNED[settings.objective]}, in "
        f"rows of {settings.sequence_length:,} tokens, from the web pages of the corpora below and from nothing else."
    )


def _use(trained: Trained, configs: Sequence[Mapping[str, Any]]) -> str:
    objective = trained.run.settings.objective
    if not configs:
        return (
            "## Use\n\ntransformers has no model of word vectors. `vectors.txt` is word2vec's text format, as gensim "
            'reads it by `KeyedVectors.load_word2vec_format("DIR/vectors.txt")`; its words are the tokens of '
            "`tokenizer.json`, and those that were never trained are left out."
        )
    loaders = [LOADERS[config["architectures"][0]] for config in configs]
    lines = [
        f"from transformers import AutoTokenizer, {', '.join(loaders)}",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("DIR")',
        f'model = {loaders[0]}.from_pretrained("DIR")',
        *(f'generator = {loader}.from_pretrained("DIR", subfolder="generator")' for loader in loaders[1:]),
    ]
    if objective == "causal":
        lines += ['inputs = tokenizer("The", return_tensors="pt")', "tokenizer.decode(model.generate(**inputs)[0])"]
        notes = (
            "In training each document began behind an end-of-text, so the tokenizer puts one before a text. Several "
            "documents in one row stay apart with `position_ids` that begin at 0 in each, an `attention_mask` of None "
            "and `use_cache=False`; with the cache, transformers lets each document see those before it."
        )
    else:
        notes = (
            "In training each document ended with an end-of-text, so the tokenizer puts one behind a text; there are "
            "no token types. Give each document a row of its own."
        )
    return (
        "## Use\n\n```python\n"
        + "\n".join(lines)
        + f"\n```\n\n{notes} The name of a special token in a text becomes that "
        "token; in the corpora it was plain text, as it is with `split_special_tokens=True`."
    )


def _data(trained: Trained, lineages: Sequence[Lineage], *, forgotten: int) -> str:
    lines = [
        "## Data",
        "",
        "What a pass over the data reads, repetitions counted:",
        "",
        "| Corpus | Documents | Tokens | Share of the tokens (asked) | Times read |",
        "|---|---:|---:|---:|---:|",
    ]
    for number, found in enumerate(lineages, 1):
        source = found.source
        lines.append(
            f"| {number}: {text(source.recipe or 'unnamed')} | {source.documents:,} | {source.tokens:,} | "
            f"{source.achieved:.1%} ({source.requested:.1%}) | {source.repeats:.2f} |"
        )
    lines += ["", f"{forgotten:,} documents with a tombstone were left out.", ""]
    digest = hashlib.sha256(trained.tokenizer).hexdigest()
    lines += [f"Their tokenizer.json, of {trained.run.vocab_size:,} tokens, has the sha256 `{digest}`.", ""]
    for number, found in enumerate(lineages, 1):
        lines += [f"Corpus {number}:", "", *_described(found), ""]
    return "\n".join(lines[:-1])


def _described(found: Lineage) -> list[str]:
    source, manifest = found.source, found.manifest
    lines = [
        f"- sha256 of its shards and tokenizer: `{source.sha256}`",
        f"- sha256 of its manifest.json: `{source.manifest_sha256}`",
    ]
    if manifest is None:
        return [
            *lines,
            "- it was not at hand for this card, so its recipe and languages are those of its manifest.json",
        ]
    lines.append(f"- sha256 of its recipe: {text(manifest.recipe.get('sha256', 'unknown'))}")
    lines.append(
        f"- {manifest.num_documents:,} documents in its shards, those for validation included, of "
        f"{len(manifest.inputs):,} archives"
    )
    languages = ", ".join(f"{text(code)} {share:.1%}" for code, share in _named(found.languages).items())
    lines.append(f"- languages of its documents: {languages}")
    if found.withdrawn:
        lines.append(
            f"- {found.withdrawn:,} of its documents have had a tombstone since: no later run reads them, and "
            "this one may have"
        )
    return lines


def _training(trained: Trained, folder: str) -> str:
    figures = [f"| {name} | {value} |" for name, value in measured(folder, trained.step).items()]
    run = trained.run
    record = {
        "model": run.model,
        "settings": runs.as_json(run.settings),
        "versions": run.versions,
        "machine": run.machine,
    }
    return "\n".join(
        [
            "## Training",
            "",
            *(["| Measured | |", "|---|---:|", *figures, ""] if figures else []),
            "```json",
            json.dumps(record, indent=1),
            "```",
        ]
    )


def _again(run: Run, step: int) -> str:
    corpora = [f"CORPUS{number}" for number, _ in enumerate(run.sources, 1)]
    return "\n".join(
        [
            "## Reproduce and trace",
            "",
            "On the corpora with the digests above and the same tombstones, this reads the same rows at every step; "
            "with the same software on the same machine and as many processes, it gives the same weights, bit for bit:",
            "",
            "```sh",
            command(run.settings, corpora),
            "```",
            "",
            f"The plan of the run, `{run.plan.sha256}`, says which tokens each step read, and each document of the "
            "corpora has its page's URL and its place in the archives. The first command lists what a step read, with "
            "losses, the second one all steps that read a page, and the first checkpoint behind each:",
            "",
            "```sh",
            f"python -m trainers.trace --run RUN --step {max(step, 1)}",
            "python -m trainers.trace --run RUN --url URL",
            "```",
        ]
    )


def _limits(trained: Trained) -> str:
    return (
        "## Limits\n\nA model for the study of training data. It has read web pages: what it gives can be false, can "
        "offend and can name private persons, and it has the leanings of what is written on the web and of the filters "
        "that chose from it. It was neither aligned nor taught to follow instructions, and its safety was not tested. "
        f"It has seen no context of more than {trained.run.settings.sequence_length:,} tokens, and little of the "
        "languages that are rare in the corpora."
    )


def _named(languages: Mapping[str, float]) -> dict[str, float]:
    return {code: share for code, share in languages.items() if share >= _LEAST_LANGUAGE}
