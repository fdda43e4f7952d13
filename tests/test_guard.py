import json
import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from trainers.guard import Guard


def run(guard, losses, *, first=1):
    return [guard.check(step, loss, 1.0).action for step, loss in enumerate(losses, first)]


def test_what_is_not_finite_is_skipped():
    guard = Guard(window=4, max_skips=3)
    assert guard.check(1, 2.0, 1.0).action == "ok"
    assert guard.check(2, math.nan, 1.0).reason == "the loss of step 2 is nan"
    verdict = guard.check(3, 2.0, math.inf)
    assert (verdict.action, verdict.reason) == ("skip", "the gradient norm of step 3 is inf")
    assert guard.check(4, 2.0, 1.0).action == "ok"
    assert guard.skipped == [(2, 3)]
    assert guard.losses == [2.0, 2.0]


def test_a_spike_is_judged_by_the_last_good_steps_once_there_are_enough():
    assert run(Guard(window=4, sigmas=3), [1.0, 2.0, 1.0, 90.0]) == ["ok"] * 4
    guard = Guard(window=4, sigmas=3)  # mean 1.5, deviation 0.5774: the limit is 3.2321
    assert run(guard, [1.0, 2.0, 1.0, 2.0, 3.24, 3.23]) == ["ok"] * 4 + ["skip", "ok"]
    guard = Guard(window=4, sigmas=3)
    run(guard, [1.0, 2.0, 1.0, 2.0])
    assert guard.check(5, 9.0, 1.0).reason == "the loss of step 5 is 9.0000, above 3.2321: 1.5000 + 3 * 0.5774"
    assert guard.check(6, -9.0, 1.0).action == "ok"


def test_equal_losses_are_no_spikes():
    guard = Guard(window=7)
    assert set(run(guard, [0.1] * 50)) == {"ok"}


def test_infinitely_many_deviations_find_no_spike():
    assert run(Guard(window=2, sigmas=math.inf), [1.0, 1.0, 1e300, 1.0]) == ["ok"] * 4


def test_without_skips_the_first_bad_step_ends_the_run():
    guard = Guard(max_skips=0)
    assert guard.check(1, 1.0, 1.0).action == "ok"
    verdict = guard.check(2, math.nan, 1.0)
    assert (verdict.action, verdict.reason, verdict.before) == ("restore", "the loss of step 2 is nan", 0)


def test_many_bad_steps_in_a_row_ask_for_an_older_checkpoint_and_the_run_goes_on_behind_them():
    guard = Guard(window=4, sigmas=3, max_skips=3)
    saved = {}
    for step in range(1, 11):
        assert guard.check(step, 1.0 + step % 2, 1.0).action == "ok"
        if step in (5, 8, 10):
            saved[step] = json.loads(json.dumps(guard.state()))
    assert run(guard, [math.nan] * 2, first=11) == ["skip", "skip"]
    verdict = guard.check(13, math.nan, 1.0)
    assert (verdict.action, verdict.before) == ("restore", 10)
    assert verdict.reason == "the loss of step 13 is nan, bad step number 3 in a row"
    # The weights of step 10 are those that made the bad steps, so 10 is not taken.
    to = max(step for step in saved if step < verdict.before)
    guard.restored(13, to=to, state=saved[to])
    assert (guard.last_good, guard.in_a_row, guard.skipped) == (8, 0, [(9, 13)])
    assert guard.losses == saved[8]["losses"]
    saved[13] = guard.state()
    # If they go on being bad, the next one is older still, though a checkpoint with the weights of 8 was saved at 13.
    assert run(guard, [math.nan] * 2, first=14) == ["skip", "skip"]
    verdict = guard.check(16, math.nan, 1.0)
    assert max(step for step in saved if step < verdict.before) == 5
    guard.restored(16, to=5, state=saved[5])
    assert guard.skipped == [(6, 16)]


FINITE = st.floats(-1e6, 1e6)
LOSSES = st.lists(st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf, 1e9])), max_size=60)


def plain(losses, *, window, sigmas):
    """Which steps are good, from the whole history each time."""
    good, verdicts = [], []
    for loss in losses:
        bad = not math.isfinite(loss)
        if not bad and len(good) >= window:
            last = good[-window:]
            mean = statistics.fmean(last)
            bad = loss > mean + sigmas * statistics.stdev(last) + 1e-9 * abs(mean)
        verdicts.append(not bad)
        if not bad:
            good.append(loss)
    return verdicts


@given(LOSSES, st.integers(2, 9), st.floats(0.1, 8), st.integers(0, 60))
def test_it_judges_as_one_that_keeps_everything_does_and_resumes_from_json(losses, window, sigmas, cut):
    guard = Guard(window=window, sigmas=sigmas, max_skips=1000)
    found = run(guard, losses[:cut])
    resumed = Guard(window=window, sigmas=sigmas, max_skips=1000)
    resumed.set_state(json.loads(json.dumps(guard.state())))
    found += run(resumed, losses[cut:], first=len(losses[:cut]) + 1)
    expected = plain(losses, window=window, sigmas=sigmas)
    assert [action == "ok" for action in found] == expected
    skipped = {step for first, last in resumed.skipped for step in range(first, last + 1)}
    assert skipped == {step for step, good in enumerate(expected, 1) if not good}
    assert resumed.last_good == max((step for step, good in enumerate(expected, 1) if good), default=0)
