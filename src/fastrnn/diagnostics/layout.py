"""Where everything in a picture of a model lies: its rows over one column, folded, or over several, unfolded."""

from collections.abc import Sequence

from fastrnn.diagnostics.marks import HEIGHT, LARGE, NORMAL, Box, Picture, Point, width_of
from fastrnn.diagnostics.rows import Row

GAP = 0.12  # around words
PLAIN, LABELLED, SLANTED = 0.3, 0.66, 0.9  # from a box to the one above: bare, with names between, with slanted arrows
LIFT = 0.62  # how far a reversed direction lies above the other
LOOP = 0.42  # how far a loop reaches out


class Panel:
    """Rows over columns, bottom to top.

    Parameters
    ----------
    rows : sequence of Row
    timed : bool
        Whether the input has steps.
    columns : int
    folded : bool
        Whether a column stands for all steps, so that arrows from one step to the next are loops.
    left : float
        Where the panel begins, in inches.
    """

    def __init__(self, rows: Sequence[Row], *, timed: bool, columns: int, folded: bool, left: float) -> None:
        self.rows, self.timed, self.folded = rows, timed, folded
        self.box = max(width_of(row.text, NORMAL) for row in rows) + 2 * GAP
        before, after = (max(parts) for parts in zip(*map(self._margins, rows), strict=True))
        self.pitch = max(map(self._pitch, rows))
        self.x = [left + before + column * self.pitch for column in range(columns)]
        self.right = self.x[-1] + after
        self.picture = Picture()

    # ---- how wide ----

    def _aside(self, row: Row) -> float:
        """Return how far the boxes of two directions are from the middle of their column."""
        return self.box / 2 + GAP if row.bidirectional else 0.0

    def _pitch(self, row: Row) -> float:
        """Return how far columns must be apart for a row's words to fit between them."""
        up, across = width_of(row.up), width_of(row.across)
        if row.bidirectional:
            up, across = up + width_of(row.reverse(row.up)) + GAP, width_of(row.reverse(row.across))
            return max(2 * self._aside(row) + self.box / 2 + across, self._aside(row) + up) + 3 * GAP
        if len(row.window) > 1 or row.fed_back:
            return max(self.box + across, 2.2 * up + across) + 3 * GAP
        return max(self.box + across, up) + 3 * GAP

    def _margins(self, row: Row) -> Point:
        """Return the room that a row needs left of the first column's middle, and right of the last one's."""
        edge = self._aside(row) + self.box / 2 + GAP
        up = self._aside(row) + width_of(row.reverse(row.up)) + 2 * GAP
        carried = edge
        if self.folded and row.across:
            carried += LOOP + width_of(row.reverse(row.across)) + GAP
        elif row.across or len(row.window) > 1:
            carried = self._start(row) + width_of(row.state, LARGE) / 2 + GAP
        if row.bidirectional or max(row.window) > 0:
            return max(up, carried), max(up, carried)
        return (edge, max(up, carried)) if self.folded else (carried, max(up, edge))

    def _start(self, row: Row) -> float:
        """Return how far from the middle of a column the word for what is carried into it is."""
        name = width_of(row.reverse(row.across)) + width_of(row.state, LARGE) / 2
        leaning = 2.2 * width_of(row.up) if len(row.window) > 1 else 0.0  # from a zero outside, past the weights' name
        return max(self._aside(row) + self.box / 2 + name + 3 * GAP, leaning)

    # ---- bottom to top ----

    def fill(self) -> Picture:
        """Lay out all rows and return what there is to draw."""
        timed, below, top = self.timed, self.x if self.timed else self.x[:1], 0.5
        self._symbols("x", below, 0.3, timed=timed)
        for row in self.rows:
            leaning = len(row.window) > 1 or (row.timed != timed and not row.last_only)
            y = top + (SLANTED if leaning else LABELLED if row.up else PLAIN) + HEIGHT / 2
            own = self.x if row.timed else self.x[-1:] if timed else below
            self._rise(row, below, own, top, y)
            self._boxes(row, own, y)
            if row.fed_back:
                self._feed_back(row, y, y + LABELLED + HEIGHT)
            elif row.across:
                self._directions(row, y)
            top = self._join(row, own, y) if row.bidirectional else y + HEIGHT / 2
            timed, below = row.timed, own
        for x in below:
            self.picture.arrow((x, top), (x, top + PLAIN))
        self._symbols("y", below, top + PLAIN + 0.2, timed=timed)
        self.picture.width, self.picture.height = self.right, top + PLAIN + 0.45
        return self.picture

    def _symbols(self, letter: str, columns: Sequence[float], y: float, *, timed: bool) -> None:
        """Write x or y in each column, with its step if there is time."""
        for t, x in enumerate(columns, 1):
            index = "_t" if self.folded else f"_{t}"
            self.picture.word(f"${letter}{index if timed else ''}$", (x, y), LARGE)

    def _boxes(self, row: Row, columns: Sequence[float], y: float) -> None:
        for x in columns:
            self.picture.boxes.append(Box(row.text, (x - self._aside(row), y), self.box))
            if row.bidirectional:
                self.picture.boxes.append(Box(row.text, (x + self._aside(row), y + LIFT), self.box))

    def _join(self, row: Row, columns: Sequence[float], y: float) -> float:
        """Bring the outputs of two directions together above them; return at which height."""
        top = y + LIFT + HEIGHT / 2 + 0.3
        for x in columns:
            self.picture.line((x - self._aside(row), y + HEIGHT / 2), (x, top))
            self.picture.line((x + self._aside(row), y + LIFT + HEIGHT / 2), (x, top))
        return top

    def _rise(self, row: Row, below: Sequence[float], own: Sequence[float], top: float, y: float) -> None:
        """Draw the arrows from the row below, which ends at ``top``, and the names of their weights."""
        bottom, aside = y - HEIGHT / 2, self._aside(row)
        for source, x in self._pairs(row, below, own, top):
            self.picture.arrow((source, top), (x - aside, bottom))
            if row.bidirectional:
                self.picture.arrow((source, top), (x + aside, bottom + LIFT))
        for x in own if row.up else ():
            # arrows that come from the left alone leave room on the right, just below the box
            low = not self.folded and len(row.window) > 1 and max(row.window) == 0
            middle = bottom - 0.14 if low else (top + bottom) / 2
            if row.bidirectional:
                self.picture.word(row.up, (x - aside / 2 - GAP, middle), align="right")
                self.picture.word(row.reverse(row.up), (x + aside / 2 + GAP, middle), align="left")
            else:
                self.picture.word(row.up, (x + 0.06, middle), align="left")

    def _pairs(self, row: Row, below: Sequence[float], own: Sequence[float], top: float) -> list[Point]:
        """Return from where to where arrows go up."""
        if len(below) != len(own):
            return [(source, x) for source in (below[-1:] if row.last_only else below) for x in own]
        if self.folded or not row.timed:
            return [(below[0], own[0])]
        steps = len(own)
        seen = [(x, t + k) for t, x in enumerate(own) for k in row.window]
        start, end = own[0] - self._start(row), own[-1] + self._start(row)
        places = {-1: start, steps: end} | dict(enumerate(below))
        for place in {start for _, t in seen if t < 0} | {end for _, t in seen if t >= steps}:
            self.picture.word("0", (place, top - 0.2), LARGE)
        return sorted({(places[min(max(t, -1), steps)], x) for x, t in seen})

    # ---- from step to step ----

    def _directions(self, row: Row, y: float) -> None:
        """Draw what a row hands from step to step, in both directions if it has two."""
        aside = self._aside(row)
        if self.folded:
            right = row.bidirectional
            self._loop(row.across, self.x[0] - aside, y, -1 if right else 1)
            if row.bidirectional:
                self._loop(row.reverse(row.across), self.x[0] + aside, y + LIFT, 1)
            return
        self._chain(row, row.across, [x - aside for x in self.x], y, 1)
        if row.bidirectional:
            self._chain(row, row.reverse(row.across), [x + aside for x in reversed(self.x)], y + LIFT, -1)

    def _loop(self, name: str, x: float, y: float, side: int) -> None:
        """Draw an arrow from a box to itself, right (1) or left (-1) of it."""
        edge, far = x + side * self.box / 2, x + side * (self.box / 2 + LOOP * 1.3)
        self.picture.arrow((edge, y + 0.09), (far, y + 0.4), (far, y - 0.4), (edge, y - 0.09))
        at = x + side * (self.box / 2 + LOOP + 0.04)
        self.picture.word(name, (at, y), align="left" if side > 0 else "right")

    def _chain(self, row: Row, name: str, middles: Sequence[float], y: float, side: int) -> None:
        """Draw arrows from the initial state through boxes, to the right (1) or to the left (-1)."""
        start = middles[0] - side * (self._start(row) - self._aside(row))
        self.picture.word(row.state, (start, y), LARGE)
        edges = [start + side * (width_of(row.state, LARGE) / 2 + 0.04)]
        edges += [x + side * self.box / 2 for x in middles[:-1]]
        crossed = max(0.0, 2 * self._aside(row) - self.box / 2)  # where arrows of the other direction come through
        for t, (edge, x) in enumerate(zip(edges, middles, strict=True)):
            head = x - side * self.box / 2
            self.picture.arrow((edge, y), (head, y))
            free = edge + side * crossed if t else edge
            self.picture.word(name, ((free + head) / 2, y + 0.1))

    def _feed_back(self, row: Row, y: float, above: float) -> None:
        """Draw how the row above is fed back to this one a step later."""
        half = self.box / 2
        if self.folded:
            edge, far = self.x[0] + half, self.x[0] + half + LOOP * 1.3
            self.picture.arrow((edge, above), (far, above), (far, y), (edge, y))
            self.picture.word(row.across, (edge + LOOP + 0.04, (y + above) / 2), align="left")
            return
        start = self.x[0] - self._start(row)
        self.picture.word(row.state, (start, above), LARGE)
        edges = [start + width_of(row.state, LARGE) / 2, *(x + half for x in self.x[:-1])]
        for edge, x in zip(edges, self.x, strict=True):
            self.picture.arrow((edge, above), (x - half, y))
            self.picture.word(row.across, ((edge + x - half) / 2, (y + above) / 2))
