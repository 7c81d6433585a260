"""What the parts of the campaign share: its benches, and its counts, printed at the end of the test session."""

from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from tests.faults.bench import Bench, bench
from tests.faults.campaign_work import jobs, made_data


@pytest.fixture(scope="package")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """The benches by name."""
    return _made(tmp_path_factory.mktemp("benches"), 0)


@pytest.fixture(scope="package")
def other_benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """The same work with other seeds."""
    return _made(tmp_path_factory.mktemp("other"), 10)


def _made(folder: Path, seed: int) -> dict[str, Bench]:
    return {job.name: bench(job, folder / job.name) for job in jobs(made_data(folder / "data"), seed)}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once what fails: the campaign takes hours."""
    if report.failed and "faults/" in report.nodeid:
        print(f"\n{report.nodeid}\n{report.longreprtext[-4000:]}", flush=True)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """One line for each part that ran; by way of the reports, which come from other processes as well."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    lines = [value for report in reports for name, value in report.user_properties if name == "campaign"]
    if lines:
        terminalreporter.section("fault campaign")
        for line in lines:
            terminalreporter.write_line(str(line))
