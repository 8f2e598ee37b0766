"""For all tests: which of them may run beside each other (pytest -n N --dist loadgroup), and what is told at the end."""
import pytest

# Of these files each test stands alone: they are dealt to so many groups. The order is that in which groups begin, long
# ones first, so that none of them is the last.
GROUPS = {"test_lead": 4, "test_kill": 1, "test_main_job": 1, "test_supervision": 2, "test_jobs": 2, "test_node": 2}


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes so long that only ./check --long runs it")
    config.addinivalue_line("markers", "xdist_group(name): runs after the others of its group, in the same process")


@pytest.hookimpl(tryfirst=True)     # xdist looks at the marks before hooks that are not in such a hurry
def pytest_collection_modifyitems(items):
    """One group has one stack: a file is one, but those that use the session's nap are two, each with a nap of its own."""
    order = list(GROUPS)
    dealt = {}
    for item in items:
        name = item.path.stem
        n = dealt[name] = dealt.get(name, -1) + 1
        group = f"{name}{n % GROUPS.get(name, 1)}"
        if "nap" in item.fixturenames:
            group = "nap of many" if name in ("test_groups", "test_faults") else "nap"
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: order.index(item.path.stem) if item.path.stem in order else len(order))


def pytest_terminal_summary(terminalreporter):
    """What tests have counted (record_property("counted", text))."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == "counted" and report.when == "call":
                terminalreporter.write_line(value)
