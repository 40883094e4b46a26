"""The figures that issue 7 asks of sampling, with fixed seeds: short runs of ``bench sampling``."""

from pathlib import Path

import pytest

from livecomments.client.chatlog import read
from livecomments.simulate.sampling import CHI2_MAX, Author, Outcome, crowd, inclusions, played, run, written

LOGS = Path(__file__).parents[2].parent / "shared" / "data" / "logs"
PER_SECOND = 64 * 3 + 1
RARE = 1 / 60


def simulated(arrivals: float, seconds: float = 15) -> Outcome:
    return run(written(crowd(arrivals, RARE), seconds, seed=7), warm_s=2)


@pytest.mark.parametrize("arrivals", [50, 150, 193, 400, 2_000])
def test_a_lane_has_its_rate_in_any_second(arrivals: int) -> None:
    """Of its own 3 ± 1 comments, and with those for all 4 ± 1, whatever comes in; and none of them twice."""
    outcome = simulated(arrivals)
    low, high = outcome.in_any_second(lanes_alone=True)
    assert (low >= 2, high <= 4) == (True, True), (low, high)
    low, high = outcome.in_any_second(lanes_alone=False)
    assert (low >= 3, high <= 5) == (True, True), (low, high)
    assert outcome.repeats == 0


@pytest.mark.parametrize("arrivals", [50, 193, 250, 400, 2_000])
def test_coverage_is_what_the_lanes_can_carry(arrivals: int) -> None:
    """Within 2% of min(1, lanes × rate / arrivals)."""
    assert simulated(arrivals, 30).coverage == pytest.approx(min(1, PER_SECOND / arrivals), abs=0.02)


@pytest.mark.parametrize("arrivals", [400, 1_000])
def test_two_lanes_hardly_share_a_comment(arrivals: int) -> None:
    """Their Jaccard index is below 0.02, comments for all aside."""
    assert simulated(arrivals).overlap < 0.02


@pytest.mark.parametrize(("arrivals", "seed"), [(400, 1), (800, 2)])
def test_what_is_shown_is_drawn_by_weight(arrivals: int, seed: int) -> None:
    """Over eight strata of authors who write once to eight times as much: χ² below its 99.9%."""
    authors = crowd(arrivals, 1 / 15, spread=True)
    strata = {author.name: author.stratum for author in authors}
    outcome = run(written(authors, 60, seed), strata=strata, warm_s=15)
    assert sum(outcome.observed.values()) > 8_000
    assert outcome.chi2 < CHI2_MAX


def test_a_draw_that_ignores_the_weights_is_found_out() -> None:
    """The test above can fail: one stratum preferred by a fifth is far beyond the bound."""
    outcome = run(written(crowd(400, 1 / 15), 60, 1), strata={f"u{n}": n % 8 for n in range(6_000)})
    outcome.observed[0] += outcome.observed[0] // 5
    assert outcome.chi2 > CHI2_MAX


def test_thirty_times_the_comments_are_no_more_than_two_and_a_half_times_the_impressions() -> None:
    """In steady state, where there are more comments than slots."""
    authors, loud = crowd(500, 1 / 15), [Author(f"loud{n}", 2.0) for n in range(4)]
    outcome = run(written([*authors, *loud], 180, seed=5), warm_s=60)
    each = sum(outcome.impressions[author.name] for author in authors) / len(authors)
    assert sum(outcome.impressions[author.name] for author in loud) / len(loud) <= 2.5 * each


@pytest.mark.parametrize("arrivals", [20, 400])
def test_a_cold_burst_takes_over_no_lane(arrivals: int) -> None:
    """400 comments of a new author in 20 s: no lane sees them more often than once in 5 s."""
    authors = [*crowd(arrivals, 1 / 15), Author("burst", 20.0, 5.0, 20.0)]
    outcome = run(written(authors, 30, seed=2))
    assert outcome.most_within_5_s("burst") <= 1
    assert outcome.impressions["burst"] > 0


def test_chances_sum_to_what_is_drawn() -> None:
    """Weights of any size: k of n in all, more for the heavier."""
    chances = inclusions([1.0, 1.0, 3.0, 1e-30], 2)
    assert sum(chances) == pytest.approx(2)
    assert chances[2] > chances[0] == chances[1] > chances[3]


@pytest.mark.parametrize("name", ["yt-premiere-20200829", "twitch-vtuber-1204428688"])
def test_real_logs_sped_up_keep_the_rate(name: str) -> None:
    """At 400 comments a second on average: at most 3 + 1 of a lane's own in any second, none twice."""
    path = LOGS / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip("the shared chat logs are not here")
    rows = [(message.t_ms, message.user, message.text) for message in read(path)]
    outcome = run(played(rows, 400 * rows[-1][0] / 1000 / len(rows)))
    assert outcome.in_any_second(lanes_alone=True)[1] <= 4
    assert outcome.repeats == 0
    assert outcome.shown > 1_000
