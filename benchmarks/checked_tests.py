"""A plugin of pytest for `gpu_check.py`: writes each test's end as a line of JSON while the tests run.

The file is that of the environment's CHECKED_TESTS. What a test records as its `figure` goes with it.
"""

import json
import os


def pytest_runtest_logreport(report):
    """Of the three phases of a test: an object each, with the first line of an error."""
    if "PYTEST_XDIST_WORKER" in os.environ:  # whoever has started the workers hears of it too
        return
    ended = {"check": report.nodeid, "phase": report.when, "ended": report.outcome, "seconds": report.duration}
    ended |= {name: value for name, value in report.user_properties if name == "figure"}
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        ended["error"] = (crash.message if crash else report.longreprtext).strip().splitlines()[0]
    with open(os.environ["CHECKED_TESTS"], "a", encoding="utf-8") as file:
        print(json.dumps(ended, ensure_ascii=False), file=file)
