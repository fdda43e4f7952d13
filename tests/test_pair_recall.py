"""How many pairs MinHash missed, estimated from those that it found, beside what was truly there."""

import math

import numpy as np
import pytest

from curation import pair_recall, recipe, stored_recipe
from curation.pair_recall import Settings

FINEWEB = Settings(14, 8, 0.8)


def test_the_chance_is_that_of_one_band_at_least():
    for settings in (FINEWEB, Settings(450, 20, 0.8), Settings(1, 1, 0.5)):
        for similarity in (0.0, 0.3, 0.75, 0.8, 0.99, 1.0):
            expected = 1 - (1 - similarity**settings.rows) ** settings.bands
            found = pair_recall.chance(np.array([similarity]), settings)[0]
            assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    assert pair_recall.chance(np.array([0.75, 0.8, 0.85]), FINEWEB).round(3).tolist() == [0.772, 0.924, 0.988]


@pytest.mark.parametrize("settings", [FINEWEB, Settings(9, 13, 0.6), Settings(20, 13, 0.7)], ids=repr)
def test_the_estimate_agrees_with_simulations_within_its_error(settings):
    """Over 400 runs the error of the recall, in its standard errors, has mean 0 and variance 1 within 5 sigma."""
    generator = np.random.default_rng(7)
    errors = []
    for _ in range(400):
        truth = generator.uniform(settings.min_similarity, 1, 3000)
        found = truth[generator.random(3000) < pair_recall.chance(truth, settings)]
        whole = pair_recall.estimate(found, settings).whole
        assert whole.found == len(found)
        errors.append((whole.recall - len(found) / len(truth)) / whole.standard_error)
    assert abs(np.mean(errors)) < 5 / math.sqrt(400)
    assert abs(np.var(errors) - 1) < 5 * math.sqrt(2 / 400)


def test_pairs_of_one_similarity_by_hand():
    found = pair_recall.estimate(np.full(924, 0.8), FINEWEB).bins[0]
    chance = 1 - (1 - 0.8**8) ** 14
    assert (found.first, found.last, found.found) == (0.8, 0.82, 924)
    assert found.estimate == pytest.approx(924 / chance)
    assert found.recall == pytest.approx(chance)
    # Of N pairs, N * chance * (1 - chance) is the variance of how many are found.
    assert found.standard_error == pytest.approx(math.sqrt((1 - chance) / 924) * chance)


def test_bins_end_at_1_and_begin_at_the_threshold():
    values = np.array([0.8, 0.81, 0.82, 0.99, 1.0, np.nan, np.float32(0.8), np.float32(0.84)])
    found = pair_recall.estimate(values, FINEWEB)
    assert [it.found for it in found.bins] == [3, 1, 1, 0, 0, 0, 0, 0, 0, 2]
    assert found.whole.found == 7
    assert [(it.first, it.last) for it in found.bins][::9] == [(0.8, 0.82), (0.98, 1.0)]
    wide = pair_recall.estimate(values, Settings(14, 8, 0.5))
    assert [(it.first, it.last, it.found) for it in wide.bins][6:] == [
        (0.8, 0.85, 5),
        (0.85, 0.9, 0),
        (0.9, 0.95, 0),
        (0.95, 1.0, 2),
    ]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.77, 0.999, 1.0])
def test_any_threshold_has_bins(threshold):
    found = pair_recall.estimate(np.array([threshold, 1.0]), Settings(14, 8, threshold))
    assert sum(it.found for it in found.bins) == 2
    assert found.bins[0].first <= threshold and found.bins[-1].last == 1
    assert all(math.isfinite(it.estimate) for it in found.bins)


def test_no_pair_tells_nothing():
    whole = pair_recall.estimate(np.empty(0), FINEWEB).whole
    assert (whole.found, whole.recall, whole.standard_error) == (0, None, None)


def test_settings_are_those_of_the_recipe():
    def of(name):
        return pair_recall.settings_of(stored_recipe.of_recipe(recipe.of_source(*recipe.read_source(name))))

    assert of("fineweb") == FINEWEB
    assert (of("refinedweb").bands, of("refinedweb").rows) == (450, 20)
    assert of("c4") is None
