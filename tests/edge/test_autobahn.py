"""The Autobahn cases against the real frame stack, which echoes when it is told to."""

from kosoku import FailureError, run_fuzzingclient

from tests.edge.fakes import stage

CASES = 301
COMPRESSION = ("12.*", "13.*")
"""Never offered: a bomb needs it, and frames made once for everybody are not compressed for each."""
MESSAGE_BYTES = 17 * 2**20


async def test_no_case_fails() -> None:
    """Frames, fragments, UTF-8, closes and limits: all as RFC 6455 has them."""
    async with stage(echo_path="/echo", frame_bytes_max=MESSAGE_BYTES) as on:
        url = f"ws://127.0.0.1:{on.server.port}/echo"
        try:
            results = await run_fuzzingclient(url, exclude_cases=COMPRESSION, concurrency=4)
        except FailureError as failure:
            results = failure.results
    failed = {each.case_id: f"{each.result} {each.result_close}" for each in results if not each.passed}
    assert failed == {}
    assert len(results) == CASES
