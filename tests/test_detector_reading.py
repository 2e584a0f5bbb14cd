"""read_text: bytes of any encoding, in blocks of any size, become lines ended by newlines alone, or a clear error."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector_oracle import matches, oracle
from fastrnn.detector import scan
from fastrnn.detector.scanning import BLOCK, TextError, read_text

HAPPY = oracle("happy")


class Blocks(io.RawIOBase):
    """A pipe that hands over its bytes in blocks of these sizes, over and over."""

    def __init__(self, data, sizes=(BLOCK,)):
        self.data, self.sizes, self.at = data, sizes, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(self.sizes[0], len(buffer))
        self.sizes = [*self.sizes[1:], self.sizes[0]]
        block = self.data[self.at : self.at + size]
        buffer[: len(block)] = block
        self.at += len(block)
        return len(block)


def read(data, sizes=(BLOCK,), encoding="utf-8"):
    """Return the text of some bytes, read through a buffer as the command does, and without one."""
    buffered = "".join(read_text(io.BufferedReader(Blocks(data, sizes)), encoding))
    assert "".join(read_text(Blocks(data, sizes), encoding)) == buffered
    return buffered


SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
FRAGMENTS = ["happy", "Happ", "y", "\n", "\r", "\r\n", "\r\r\n", "é", "漢", "😀", "\u2028", "\x85", "\x0c", "x" * 45]
ENCODINGS = ["utf-8", "utf-8-sig", "UTF8", "utf-16", "utf-16-le", "utf-32-be", "gb18030"]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=20).map("".join), SIZES, st.sampled_from(ENCODINGS))
def test_any_encoding_in_any_blocks_scans_as_the_regular_expression_matches(text, sizes, encoding):
    data = text.encode(encoding)
    assert read(data, sizes, encoding) == re.sub("\r\n?", "\n", text)
    hits = scan(HAPPY, read_text(Blocks(data, sizes), encoding))
    assert [(hit.line, hit.column, hit.context) for hit in hits] == matches("happy", text)


@pytest.mark.parametrize("sizes", [[1], [2], [3], [4], [BLOCK]])
def test_a_byte_order_mark_is_no_character(sizes):
    data = b"\xef\xbb\xbf" + "é happy \ufeff".encode()
    assert read(data, sizes) == "é happy \ufeff"  # but only at the start
    hits = scan(HAPPY, read_text(Blocks(data, sizes)))
    assert [hit.column for hit in hits] == [3]


@pytest.mark.parametrize(("data", "text"), [(b"a\r", "a\n"), (b"\n", "\n"), (b"\r\n\r\n", "\n\n"), (b"a", "a")])
def test_the_end_of_the_file(data, text):
    assert read(data) == read(data, [1]) == text


def test_more_than_a_block():
    text = "é" * BLOCK + "\n漢"  # two bytes each: the first block ends between characters, the second within 漢
    assert read(("x" + text).encode()) == "x" + text


def test_text_comes_as_it_arrives():
    """One who types sees what was found in a line as soon as it is ended: nothing waits for a full block."""

    class Typed(Blocks):
        def readinto(self, buffer):
            assert self.at < len(self.data), "asked for more, though a whole line had come"
            return super().readinto(buffer)

    for pipe in (Typed(b"so happy\n"), io.BufferedReader(Typed(b"so happy\n"))):
        hit = next(scan(HAPPY, read_text(pipe)))
        assert (hit.line, hit.column, hit.context) == (1, 4, "so happy")


# ---- what is no text ----


def test_an_empty_file_is_an_error():
    with pytest.raises(TextError, match="empty"):
        read(b"")


def test_text_errors_are_value_errors():
    assert issubclass(TextError, ValueError)


@pytest.mark.parametrize("sizes", [[1], [3], [BLOCK]])
@pytest.mark.parametrize("before", [0, 5, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_nul_character_means_binary(sizes, before):
    with pytest.raises(TextError, match="binary"):
        read(b"x" * before + b"\0" + b"text", sizes if before < 10 else [BLOCK])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text("xé漢😀\n\r", max_size=20), SIZES, st.booleans())
def test_the_place_of_a_wrong_byte_is_told_in_bytes(text, sizes, marked):
    valid = text.encode("utf-8-sig" if marked else "utf-8")
    with pytest.raises(TextError, match=rf"^not utf-8 text: invalid start byte at byte {len(valid)};"):
        read(valid + b"\xff" + b"more", sizes)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text("xé漢😀\n\r", max_size=20), SIZES, st.sampled_from(["é", "漢", "😀"]), st.data())
def test_a_character_cut_off_by_the_end_is_told_where_it_starts(text, sizes, last, data):
    kept = data.draw(st.integers(1, len(last.encode()) - 1))
    valid = text.encode()
    with pytest.raises(TextError, match=rf"^not utf-8 text: unexpected end of data at byte {len(valid)};"):
        read(valid + last.encode()[:kept], sizes)


@pytest.mark.parametrize(
    ("data", "encoding", "at"),
    [
        ("café".encode("latin-1"), "utf-8", 3),
        ("café".encode(), "ascii", 3),
        ("ab".encode("utf-16") + b"\0\xd8a\0", "utf-16", 6),  # half of a surrogate pair
        ("ab".encode("utf-16-le") + b"c", "utf-16-le", 4),
        (b"abc\x81\xff", "gb18030", 3),
        (b"x" * (2 * BLOCK + 7) + b"\xff", "utf-8", 2 * BLOCK + 7),
    ],
)
def test_other_encodings_tell_the_place_too(data, encoding, at):
    with pytest.raises(TextError, match=rf"^not {encoding} text: .* at byte {at}; --encoding names another$"):
        read(data, encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_missing_byte_order_mark_is_no_text_either(encoding):
    with pytest.raises(TextError, match=rf"^not {encoding} text: .+; --encoding names another$"):
        read(b"so happy", encoding=encoding)


def test_what_came_before_the_wrong_byte_has_been_read():
    chunks = read_text(Blocks(b"so happy\n" + b"x" * 10 + b"\xff", [15]))
    hits = scan(HAPPY, chunks)
    assert next(hits).column == 4
    with pytest.raises(TextError):
        next(hits)
