"""Each CSV record is read, or refused, alone (threat HT-8)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot import csv_records
from firstboot.csv_records import (
    BLOCK_LENGTH,
    MAX_CELLS,
    MAX_RECORD_LENGTH,
    MAX_RECORD_LINES,
    Record,
    read_records,
)


def rows(text: str, delimiter: str = ",") -> list[tuple[int, tuple[str, ...]]]:
    """Return lines and cells of a text without faults."""
    records = list(read_records(text, delimiter))
    assert [record.error for record in records if record.error] == []
    return [(record.line, record.cells) for record in records]


def test_cells_may_be_quoted_and_have_quotes_delimiters_and_line_ends_in_them() -> None:
    assert rows('a,"b,""c""\nd"\ne,f\n') == [(1, ("a", 'b,"c"\nd')), (3, ("e", "f"))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_kinds_of_line_ends_are_read_and_blank_lines_are_no_rows(end: str) -> None:
    assert rows(end.join(["a,b", "", "c,d", ""])) == [(1, ("a", "b")), (3, ("c", "d"))]


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_no_part_of_the_first_cell() -> None:
    assert rows("\ufeffa;b", ";") == [(1, ("a", "b"))]


def test_an_inch_mark_inside_of_a_cell_is_a_character() -> None:
    assert rows('pipe 5",x\n') == [(1, ('pipe 5"', "x"))]


def test_a_row_that_is_not_csv_costs_no_other_row() -> None:
    records = list(read_records('a,1\n"b"x,2\nc,3\n', ","))

    assert [(record.line, record.cells) for record in records] == [(1, ("a", "1")), (2, ()), (3, ("c", "3"))]
    assert records[1].error is not None
    assert "not CSV" in records[1].error


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    text = '"a,1\n' + "b,2\n" * (2 * MAX_RECORD_LINES)

    first, *others = read_records(text, ",")

    assert first.line == 1
    assert first.error is not None
    assert "quote" in first.error
    assert [record.line for record in others] == list(range(2, 2 * MAX_RECORD_LINES + 2))
    assert {record.cells for record in others} == {("b", "2")}


def test_a_quote_that_is_open_at_the_end_costs_its_own_row_only() -> None:
    records = list(read_records('"a,1\nb,2', ","))

    assert [(record.line, record.cells, record.error is None) for record in records] == [
        (1, (), False), (2, ("b", "2"), True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "row", ["x" * (MAX_RECORD_LENGTH + 1), "," * MAX_CELLS, '"' + "x" * MAX_RECORD_LENGTH + '"'],
    ids=["long cell", "many cells", "long quoted cell"],
)  # fmt: skip
def test_a_row_beyond_the_bounds_is_refused_alone_and_not_quoted(row: str) -> None:
    refused, last = read_records(f"{row}\nok\n", ",")

    assert refused.error is not None
    assert "more than" in refused.error
    assert "xxx" not in refused.error
    assert (last.line, last.cells) == (2, ("ok",))


def test_a_record_does_not_show_its_cells() -> None:
    (record,) = read_records("name,t0ken", ",")

    assert "t0ken" not in repr(record)


def test_bytes_that_are_no_text_cost_their_own_row_only() -> None:
    file = io.TextIOWrapper(io.BytesIO(b"a,1\nb\xff,2\nc,3\n"), "utf-8", errors="surrogateescape", newline="")

    records = list(read_records(file, ","))

    assert [(record.cells, record.error) for record in records] == [
        (("a", "1"), None), ((), "The row is not text in UTF-8."), (("c", "3"), None),
    ]  # fmt: skip


class Endless(io.StringIO):
    """A file that remembers how much was read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> str:
        assert size is not None
        assert 0 < size <= BLOCK_LENGTH
        self.taken += size
        return super().read(size)


def test_a_file_is_read_no_further_than_the_rows_that_were_asked_for() -> None:
    file = Endless("a,b\n" * BLOCK_LENGTH)

    next(read_records(file, ","))

    assert file.taken == BLOCK_LENGTH


def test_a_line_without_an_end_is_refused_and_not_kept() -> None:
    file = Endless("x" * (20 * BLOCK_LENGTH) + "\nok\n")
    records = read_records(file, ",")

    assert next(records).error is not None
    assert next(records) == Record(2, ("ok",))


@pytest.mark.parametrize("block", [1, 2, 7])
@given(st.text(alphabet='a,"\n\r;é', max_size=200))
def test_a_file_reads_as_its_text_does_wherever_its_blocks_end(block: int, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "BLOCK_LENGTH", block)

        from_file = list(read_records(io.StringIO(text, newline=""), ","))

    assert from_file == list(read_records(text, ","))


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
            min_size=1,
        )
    )
)
def test_what_the_standard_library_writes_is_read_back(table: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)

    assert [list(cells) for _, cells in rows(written.getvalue())] == table


@given(st.text(alphabet='a,"\n\r;', max_size=200))
def test_any_text_is_read_or_refused_line_by_line(text: str) -> None:
    lines = [record.line for record in read_records(text, ",")]

    assert lines == sorted(set(lines))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
