"""What `top` makes of two looks: rates, restarts, silence."""

from livecomments.operate.top import screen
from livecomments.operate.view import Look, page_of, view

STAGE = """
# TYPE livecomments_stage_records_total counter
livecomments_stage_records_total{{agent="persist-flat"}} {records}
livecomments_stage_records_total{{agent="persist-window"}} 7
# TYPE livecomments_stage_steps_total counter
livecomments_stage_steps_total{{agent="persist-flat"}} {steps}
# TYPE livecomments_stage_lag_records gauge
livecomments_stage_lag_records{{agent="persist-flat"}} 12
# TYPE livecomments_stage_store_away gauge
livecomments_stage_store_away{{agent="persist-flat"}} 1
"""
EDGE = """
# TYPE livecomments_edge_connections gauge
livecomments_edge_connections 40
# TYPE livecomments_edge_deliveries_total counter
livecomments_edge_deliveries_total {deliveries}
"""
API = """
# TYPE livecomments_api_requests_total counter
livecomments_api_requests_total{{route="/a",method="GET",status="200"}} {a}
livecomments_api_requests_total{{route="/b",method="GET",status="200"}} {b}
"""


def look(at: float, **pages: str) -> Look:
    return Look(at, {name: page_of(text) for name, text in pages.items()})


def test_rates() -> None:
    """Counters become rates a second, per agent; gauges stay; labels are summed."""
    before = look(
        10.0, persist=STAGE.format(records=100, steps=10), edge=EDGE.format(deliveries=50),
        api=API.format(a=1, b=2),
    )  # fmt: skip
    after = look(
        12.0, persist=STAGE.format(records=300, steps=20), edge=EDGE.format(deliveries=450),
        api=API.format(a=2, b=5),
    )  # fmt: skip
    shown = view(before, after, ["persist", "edge", "api"])
    flat, window = shown.stages
    assert (flat.agent, flat.records, flat.per_step, flat.lag, flat.store_away) == (
        *("persist-flat", 100.0, 20.0, 12.0, True),
    )
    assert (window.agent, window.records, window.per_step) == ("persist-window", 0.0, 0.0)
    assert (shown.edges[0].connections, shown.edges[0].deliveries) == (40.0, 200.0)
    assert shown.api_requests == 2.0
    assert shown.silent == []


def test_a_process_that_was_started_again() -> None:
    """A counter that went back counts from 0; one that is new has no rate yet."""
    before = look(0.0, edge=EDGE.format(deliveries=1_000))
    after = look(1.0, edge=EDGE.format(deliveries=30), other=EDGE.format(deliveries=30))
    assert [row.deliveries for row in view(before, after, []).edges] == [30.0, 0.0]


def test_silence_is_said() -> None:
    """Who should answer and does not is named, on the screen too."""
    from rich.console import Console

    shown = view(look(0.0), look(1.0), ["sample"])
    assert shown.silent == ["sample"]
    console = Console(record=True, width=140)
    console.print(screen(shown))
    assert "no answer from sample" in console.export_text()
