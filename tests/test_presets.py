import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import presets
from curation.dedup.minhash import NearDuplicates
from pipelines import minhash

AT = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
# Bands, rows and the share of pairs found at each of AT, by 1 - (1 - s^r)^b.
KNOWN = {
    "fineweb": (14, 8, (0.053, 0.211, 0.565, 0.772, 0.924, 0.988, 1.000, 1.000)),
    "refinedweb": (450, 20, (0.000, 0.016, 0.302, 0.761, 0.995, 1.000, 1.000, 1.000)),
    "dclm": (93, 15, (0.003, 0.043, 0.358, 0.714, 0.964, 1.000, 1.000, 1.000)),
    "curator": (20, 13, (0.002, 0.026, 0.177, 0.382, 0.677, 0.924, 0.997, 1.000)),
    "redpajama-0.7": (14, 9, (0.027, 0.132, 0.438, 0.665, 0.867, 0.975, 0.999, 1.000)),
    "redpajama-0.8": (9, 13, (0.001, 0.012, 0.084, 0.195, 0.399, 0.686, 0.929, 0.998)),
    "redpajama-0.9": (5, 25, (0.000, 0.000, 0.001, 0.004, 0.019, 0.083, 0.311, 0.803)),
}
OTHERS = [
    (26, 11, (0.013, 0.090, 0.405, 0.674, 0.903, 0.991, 1.000, 1.000)),  # marin
    (50, 4, (0.960, 0.999, 1.000, 1.000, 1.000, 1.000, 1.000, 1.000)),  # text-dedup
]


def test_presets_are_as_published():
    assert {name: (it.bands, it.rows) for name, it in presets.PRESETS.items()} == {
        name: known[:2] for name, known in KNOWN.items()
    }
    assert (NearDuplicates().bands, NearDuplicates().rows) == KNOWN["fineweb"][:2]


@pytest.mark.parametrize("bands, rows, shares", [*KNOWN.values(), *OTHERS])
def test_probability(bands, rows, shares):
    assert [presets.probability(similarity, bands, rows) for similarity in AT] == pytest.approx(shares, abs=0.0005)


@pytest.mark.parametrize("similarity, expected", [(-0.1, 0.0), (0.0, 0.0), (1.0, 1.0), (1.1, 1.0)])
def test_probability_at_the_ends(similarity, expected):
    assert presets.probability(similarity, 14, 8) == expected


def test_a_small_probability_is_not_rounded_away():
    assert presets.probability(0.01, 5, 20) == pytest.approx(5e-40)


def slowly_chosen(similarity, recall, max_unlike, most):
    """The setting of fewest hashes among all with at most `most` of each."""
    fits = [
        (bands * rows, bands, rows)
        for rows in range(1, most + 1)
        for bands in range(1, most + 1)
        if 1 - (1 - similarity**rows) ** bands >= recall
        and 1 - (1 - max(similarity - 0.3, 0) ** rows) ** bands <= max_unlike
    ]
    return min(fits)[1:] if fits else None


@given(st.integers(8, 20), st.integers(10, 98), st.sampled_from([0.0203, 0.0507, 0.1011, 0.3013]))
@settings(max_examples=40, deadline=None)
def test_no_other_setting_takes_fewer_hashes(twentieths, percent, max_unlike):
    similarity, recall = twentieths / 20, percent / 100 + 0.0017
    expected = slowly_chosen(similarity, recall, max_unlike, 60)
    found = presets.choose(similarity, recall, max_unlike=max_unlike)
    if expected is None or max(found) > 60:
        assert expected is None or found[0] * found[1] <= expected[0] * expected[1]
    else:
        assert found[0] * found[1] == expected[0] * expected[1]
    assert presets.probability(similarity, *found) >= recall
    assert presets.probability(similarity - 0.3, *found) <= max_unlike


@pytest.mark.parametrize(
    "similarity, recall, expected",
    [(0.8, 0.95, (21, 9)), (0.7, 0.99, (78, 8)), (1.0, 0.5, (1, 9)), (0.3, 0.9, (7, 1)), (1e-3, 0.9, (2302, 1))],
)
def test_choose(similarity, recall, expected):
    assert presets.choose(similarity, recall) == expected


@pytest.mark.parametrize(
    "similarity, recall, message",
    [
        (0.0, 0.9, "similarity 0.0: expected more than 0"),
        (1.2, 0.9, "similarity 1.2: expected more than 0"),
        (math.nan, 0.9, "similarity nan"),
        (0.8, 0.0, "recall 0.0: expected more than 0"),
        (0.8, 1.0, "recall 1.0: expected more than 0 and less than 1"),
        (0.8, math.nan, "recall nan"),
        (1e-5, 0.9, "takes more than 65536 hashes"),
    ],
)
def test_what_cannot_be_chosen_is_refused(similarity, recall, message):
    with pytest.raises(ValueError, match=message):
        presets.choose(similarity, recall)


def test_unlike_pairs_can_be_too_few():
    with pytest.raises(ValueError, match=r"hashes where at most 1e-12 of the pairs at 0.40 may be candidates"):
        presets.choose(0.7, 0.999, max_unlike=1e-12)
    with pytest.raises(ValueError, match=r"max_unlike 0"):
        presets.choose(0.7, 0.9, max_unlike=0)


def test_the_measured_curve_is_the_calculated_one():
    """5 sigma at each similarity."""
    points = presets.measured_curve(14, 8, num_pairs=500)
    assert [point.similarity for point in points] == list(presets.SIMILARITIES)
    for point in points:
        assert point.calculated == presets.probability(point.similarity, 14, 8)
        assert abs(point.found - point.calculated) <= 5 * point.error + 1e-9
    few = presets.measured_curve(14, 8, num_pairs=100)
    assert few == presets.measured_curve(14, 8, num_pairs=100)
    assert few != presets.measured_curve(14, 8, num_pairs=100, seed=2)


def test_fewer_pairs_are_simulated_of_long_signatures():
    (point,) = presets.measured_curve(450, 20, similarities=[0.9])
    assert (point.num_pairs, point.found) == (200, 1.0)
    assert presets.measured_curve(2, 2, similarities=[0.0, 1.0], num_pairs=3) == [
        presets.Point(0.0, 0.0, 0.0, 0.0, 3),
        presets.Point(1.0, 1.0, 1.0, 0.0, 3),
    ]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match=r"similarities \[0.51\]: expected multiples of 1/40"):
        presets.measured_curve(2, 2, similarities=[0.5, 0.51])
    with pytest.raises(ValueError, match="num_pairs 0"):
        presets.measured_curve(2, 2, num_pairs=0)


def test_the_command_lists_the_presets(capsys):
    assert minhash.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[1:8]] == [
        [name, str(bands), str(rows), str(bands * rows)] for name, (bands, rows, _) in KNOWN.items()
    ]


def test_the_command_chooses_measures_and_says_what_to_write(capsys, monkeypatch):
    monkeypatch.setattr(presets, "_MAX_PAIRS", 100)
    assert minhash.main(["--similarity", "0.9", "--recall", "0.9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "chosen: 5 bands of 9 rows, 45 hashes"
    assert lines[-1] == "NearDuplicates(bands=5, rows=9, min_similarity=0.9)"
    assert eval(lines[-1], {"NearDuplicates": NearDuplicates}) == NearDuplicates(5, 9, min_similarity=0.9)
    assert len([line for line in lines if line.endswith("  100")]) == len(presets.SIMILARITIES)


def test_the_command_as_json(capsys, monkeypatch):
    monkeypatch.setattr(presets, "_MAX_PAIRS", 100)
    assert minhash.main(["--preset", "curator", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["preset"], told["bands"], told["rows"], told["signature_bytes"]) == ("curator", 20, 13, 1040)
    assert told["calculated"]["0.8"] == pytest.approx(0.677, abs=0.0005)
    assert {point["num_pairs"] for point in told["curve"]} == {100}


def test_the_command_refuses(capsys):
    assert minhash.main(["--similarity", "0.8", "--recall", "1"]) == 2
    assert "recall 1.0: expected more than 0 and less than 1" in capsys.readouterr().err
    for flags in (["--recall", "0.9"], ["--preset", "other"], ["--preset", "dclm", "--similarity", "0.8"]):
        with pytest.raises(SystemExit) as ended:
            minhash.main(flags)
        assert ended.value.code == 2
