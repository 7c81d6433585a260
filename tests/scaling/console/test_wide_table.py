"""Tables that go on below where the terminal is narrow."""

from scaling.console.wide_table import WideTable
from tests.helpers.terminal import printed


def test_what_fits_is_one_table() -> None:
    table = WideTable("Title", ("name", "a number"), (("x y", "1"), (), ("z", "2.5")))
    assert printed(table, 80).count("Title") == 1
    narrow = printed(table, 18)
    assert "continued" not in narrow
    assert len({len(line) for line in narrow.splitlines()[1:]}) == 1


def test_a_table_that_does_not_fit_goes_on_below_with_its_labels() -> None:
    table = WideTable("T", ("name", "first", "second"), (("one", "123456789", "987654321"),), caption="End.")
    told = printed(table, 30)
    assert told.count("one") == 2
    assert "T, continued" in told
    assert told.count("End.") == 1
    assert "123456789" in told
    assert "987654321" in told
