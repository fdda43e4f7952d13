"""The recipes that are here, listed and printed; and a recipe of one's own, as the README shows it."""

import dataclasses
import json
import re

import pytest

from curation import recipe, walk
from curation.document import Document
from pipelines import recipes

NAMES = recipes._names()

OWN = '''\
"""Pages about life on the river: FineWeb's extraction and language, and a rule of its own."""

import dataclasses
from typing import ClassVar

from curation.dedup.exact import ExactDuplicates
from curation.extraction.settings import ExtractText
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules import limits
from curation.rules.gopher import GopherRepetition


@dataclasses.dataclass(frozen=True)
class OnTheRiver:
    """Keeps pages that name what belongs to a river often enough."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_mentions",)  # the fields that only `reason` reads

    min_mentions: int = 2
    names: tuple[str, ...] = ("river", "boat", "ferry", "bridge", "mill")

    def __post_init__(self):
        limits.at_least(self, 0, "min_mentions")

    def measure(self, text):
        words = text.content.lower().split()
        return {"river_mentions": sum(word.startswith(self.names) for word in words)}

    def reason(self, signals):
        return ("off_the_river", "river_mentions") if signals["river_mentions"] < self.min_mentions else None


RECIPE = Recipe(
    name="my_corpus",
    source="our own",
    steps=(ExtractText(), KeepLanguage("en"), GopherRepetition(), OnTheRiver(min_mentions=3), ExactDuplicates()),
)
'''


def run(capsys, *argv):
    status = recipes.main(list(argv))
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "my_corpus.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_read_and_has_its_name_and_a_source(name, capsys):
    found = recipe.of_source(*recipe.read_source(name))
    assert found.name == name
    assert re.search(r"https://|\d{4}\.\d{5}", found.source), found.source
    status, out, _ = run(capsys, name)
    assert status == 0
    assert out.startswith(f"{name}: ")
    for step in found.steps:
        assert f"  {recipe.step_name(step)}, on " in out
        for field in dataclasses.fields(step):
            assert re.search(rf"^      {field.name} ", out, re.MULTILINE)
    assert "(nothing is said about it)" not in out


def test_all_recipes_are_listed_with_one_line_and_their_source(capsys):
    status, out, _ = run(capsys)
    assert status == 0
    assert [line.split(" ")[0] for line in out.splitlines() if not line.startswith(" ")] == NAMES
    listed = json.loads(run(capsys, "--json")[1])["recipes"]
    assert [each["name"] for each in listed] == NAMES
    for each in listed:
        assert each["about"] in out
        assert f"source: {each['source']}; {len(each['steps'])} steps" in out


def test_a_table_has_each_step_with_its_fields_and_who_set_them(own, capsys):
    status, out, _ = run(capsys, str(own), "--check")
    lines = out.splitlines()
    assert status == 0
    assert lines[:2] == [
        "my_corpus: Pages about life on the river: FineWeb's extraction and language, and a rule of its own.",
        "source: our own",
    ]
    at = lines.index(" 4  OnTheRiver, on each document (recipe_my_corpus)")
    assert lines[at + 1 : at + 5] == [
        "    Keeps pages that name what belongs to a river often enough.",
        "      min_mentions  3             recipe (default 2)",
        "      names         ('river', 'boat', 'ferry', 'bridge', 'mill')  default",
        "    check: fine",
    ]
    at = lines.index(" 3  GopherRepetition, on each document (curation.rules.gopher)")
    assert lines[at + 2].startswith(
        "    source: The rules of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446)"
    )
    assert " 1  ExtractText, on each page (curation.extraction.settings)" in lines
    assert " 5  ExactDuplicates, on all documents (curation.dedup.exact)" in lines


def test_json_has_the_same(own, capsys):
    found = json.loads(run(capsys, str(own), "--json")[1])
    assert found["sha256"] == recipe.of_source("my_corpus.py", OWN).sha256
    assert [step["step"] for step in found["steps"]] == [
        "ExtractText",
        "KeepLanguage",
        "GopherRepetition",
        "OnTheRiver",
        "ExactDuplicates",
    ]
    mine = found["steps"][3]
    assert (mine["on"], mine["module"], mine["source"]) == ("each document", "recipe_my_corpus", "")
    assert [(each["name"], each["value"], each["default"], each["set_by"]) for each in mine["fields"]] == [
        ("min_mentions", 3, 2, "recipe"),
        ("names", *[["river", "boat", "ferry", "bridge", "mill"]] * 2, "default"),
    ]
    names = [each["name"] for each in found["steps"][0]["fields"]]
    assert names[:2] == ["extractor", "extractor.focus"]


def test_check_says_which_step_cannot_run(own, capsys):
    own.write_text(
        OWN.replace("steps=(", "steps=(UrlBlocklist('none.txt', 'ab'), ").replace(
            "from curation.dedup", "from curation.cascade import UrlBlocklist\nfrom curation.dedup", 1
        )
    )
    assert run(capsys, str(own))[0] == 0
    status, out, _ = run(capsys, str(own), "--check")
    assert status == 1
    assert "    check: UrlBlocklist('none.txt') cannot be read: No such file or directory; check the path" in out
    assert out.count("check: fine") == 5
    found = json.loads(run(capsys, str(own), "--check", "--json")[1])
    assert [step["error"] is None for step in found["steps"]] == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    "changed, message",
    [
        (("min_mentions=3", "min_mentions=-3"), "OnTheRiver(min_mentions=-3): expected at least 0"),
        (("min_mentions=3", "most=3"), ", line 37: TypeError: "),
        (("ExactDuplicates())", "ExactDuplicates)"), "recipe my_corpus: step 5, "),
        (('KeepLanguage("en")', '"en"'), "recipe my_corpus: step 2, 'en', is none of: "),
        (("frozen=True", "frozen=False"), "recipe my_corpus: OnTheRiver is no frozen dataclass"),
        (("def reason", "def verdict"), "recipe my_corpus: step 4, OnTheRiver(min_mentions=3"),
        (("class OnTheRiver:", "class OnTheRiver"), ", line 15: expected ':'"),
    ],
)
def test_what_cannot_be_is_an_error_of_one_line(changed, message, own, capsys):
    assert changed[0] in OWN
    own.write_text(OWN.replace(*changed))
    status, out, err = run(capsys, str(own))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: --recipe my_corpus.py")
    assert message in err


@pytest.mark.parametrize("name", ["nope", "nope.py"])
def test_a_recipe_that_is_not_there(name, capsys):
    status, out, err = run(capsys, name)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: --recipe {name}")


def test_control_characters_of_a_recipe_do_not_reach_the_terminal(own, capsys):
    own.write_text(OWN.replace('source="our own"', r'source="our\x1b[2J own"'))
    assert "source: our\\x1b[2J own" in run(capsys, str(own))[1]


def test_a_rule_of_ones_own_decides(own):
    found = recipe.of_source(*recipe.read_source(str(own)))
    steps = walk.after_extraction(found.before)
    road = "In the old days this was the only way to the market, and the people of the valley knew it well."
    kept = f"{road} Those who lived beyond the river came by boat, until someone built them a bridge of stone."
    ends = [list(walk.steps_of_document(walk.bare_document(each), steps))[-1] for each in (kept, road)]
    assert isinstance(ends[0].outcome, Document)
    assert ends[0].outcome.signals["river_mentions"] == 3
    rejection = ends[1].outcome
    assert (rejection.step, rejection.reason, rejection.value) == ("OnTheRiver", "off_the_river", 0)
