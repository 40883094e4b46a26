"""The check of a history: two passes over its facts, everything linear in their number. Pure."""

from collections.abc import Iterable

from livecomments.verify.facts import Fact, Minimum
from livecomments.verify.logs import judge_logs, slow_retractions
from livecomments.verify.report import Report
from livecomments.verify.truth import Truth
from livecomments.verify.viewers import Viewers


def check(facts: Iterable[Fact], minimum: Minimum | None = None) -> Report:
    """Check a history.

    Args:
        facts: may be iterated more than once; each viewer's are in their order.
        minimum: what the history must have to count, beside what its ``run`` facts say.

    """
    truth = Truth()
    truth.take_all(facts)
    report = Report(tuple(truth.seeds), truth.counts, truth.fault_kinds)
    for anomaly in judge_logs(truth):
        report.add(anomaly)
    viewers = Viewers(truth)
    for fact in facts:
        for anomaly in viewers.take(fact):
            report.add(anomaly)
    report.counts += viewers.counts
    report.counts["retractions"], report.counts["retractions slow in the pipeline"] = slow_retractions(truth)
    if truth.quiet is None:
        report.problems.append("it ends before anything was quiet: what is missing may still come")
    else:
        report.problems += [f"not quiet at the end: {what}" for what in truth.quiet.missing]
    for each in [*truth.minimums, *([minimum] if minimum else [])]:
        report.hold_against(each)
    return report
