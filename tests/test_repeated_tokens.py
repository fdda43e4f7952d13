"""Dolma's rule on one sequence of tokens over and over."""

import hashlib
import itertools
import random

import numpy as np
import pytest

from curation import tokens
from curation.rules.repeated_tokens import RepeatedTokens, longest_run
from curation.text import Text
from tests.cpu_limit import cpu_limit

LETTERS = "abcdefghijklmnop"


def words(count):
    """So many different words."""
    return " ".join(f"{a}{b}{c}" for a, b, c in itertools.islice(itertools.product(LETTERS, repeat=3), count))


@pytest.mark.parametrize("period", [1, 2, 5, 13])
@pytest.mark.parametrize("short", [0, 1])
def test_a_run_of_whole_copies(period, short):
    unit = words(period)
    times = -(-100 // period) - short
    text = Text(f"{'before ' * 2}it {' '.join([unit] * times)} after")
    step = RepeatedTokens()
    signals = step.measure(text)
    assert signals == {"repeated_token_run": float(times * period)}
    assert step.reason(signals) == (None if short else ("repeated_tokens", "repeated_token_run"))
    assert step.evidence(text) == f" {unit}"


def test_a_longer_period_is_no_repetition():
    text = Text(f" {words(14)}" * 20)
    assert RepeatedTokens().measure(text) == {"repeated_token_run": 0.0}
    assert RepeatedTokens(max_period=14).measure(text) == {"repeated_token_run": 280.0}


@pytest.mark.parametrize("times, run", [(2, 0.0), (3, 30.0)])
def test_twice_is_no_repetition(times, run):
    assert RepeatedTokens().measure(Text(f" {words(10)}" * times)) == {"repeated_token_run": run}


def test_a_changed_word_ends_the_run():
    text = Text(" no" * 60 + " yes" + " no" * 50)
    assert RepeatedTokens().measure(text) == {"repeated_token_run": 60.0}


@pytest.mark.parametrize(
    "content, run",
    [("=" * 1600, 100.0), ("=" * 1599, 99.0), ("a" * 1600, 100.0), ("\n" * 1600, 100.0), ("- " * 100, 99.0), ("", 0.0)],
)
def test_long_pieces_are_cut(content, run):
    assert RepeatedTokens().measure(Text(content)) == {"repeated_token_run": run}


def slowly(numbers, max_period):
    best = 0
    for period in range(1, max_period + 1):
        for start in range(len(numbers)):
            times = 1
            unit = numbers[start : start + period]
            while len(unit) == period and numbers[start + times * period : start + (times + 1) * period] == unit:
                times += 1
            if times >= 3:
                best = max(best, times * period)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_it_finds_what_a_plain_search_finds(seed):
    chance = random.Random(seed)
    numbers = [chance.randrange(chance.choice((1, 2, 3))) for _ in range(chance.randrange(60))]
    found, start, period = longest_run(np.array(numbers, np.int64), 5)
    assert found == slowly(numbers, 5)
    if found:
        assert numbers[start : start + found] == numbers[start : start + period] * (found // period)


@pytest.fixture
def tokenizer(tmp_path):
    content = tokens.train(["the river rose and the river fell again and again"] * 9, 300)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    return RepeatedTokens(tokenizer=str(path), sha256=hashlib.sha256(content).hexdigest())


def test_with_a_tokenizer_its_tokens_count(tokenizer):
    tokenizer.check()
    text = Text("the" + " river" * 120)
    assert tokenizer.measure(text) == {"repeated_token_run": 120.0}
    assert tokenizer.evidence(text) == " river"
    assert tokenizer.measure(Text("字" * 50)) == {"repeated_token_run": 150.0}  # three bytes each
    assert tokenizer.measure(Text("")) == {"repeated_token_run": 0.0}


def test_another_tokenizer_than_the_recipes_is_refused(tokenizer):
    step = RepeatedTokens(tokenizer=tokenizer.tokenizer, sha256="0" * 64)
    with pytest.raises(ValueError) as caught:
        step.check()
    assert str(caught.value).startswith(
        f"RepeatedTokens({step.tokenizer!r}) has sha256 {tokenizer.sha256}, expected 000"
    )


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"min_run": 0}, "RepeatedTokens(min_run=0): expected at least 1"),
        ({"max_period": 0}, "RepeatedTokens(max_period=0): expected at least 1"),
        ({"tokenizer": "a.json"}, "RepeatedTokens(tokenizer='a.json', sha256=''): give both or none"),
    ],
)
def test_settings_that_cannot_be(fields, message):
    with pytest.raises(ValueError) as caught:
        RepeatedTokens(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize("unit", ["[", "a ", "A\n", "\n", "ab", "字", "a b c d e f g h i j k l m n ", "\u0301"])
def test_long_texts_take_linear_time(unit):
    content = (unit * 500_000)[:500_000]
    with cpu_limit():
        RepeatedTokens().measure(Text(content))
