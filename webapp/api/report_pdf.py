"""The report as a document of two pages, to be handed on: figures in, bytes out."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from string import capwords
from typing import Final

from fpdf import FPDF, FontFace

from webapp.api.report_figures import TOTALS, Outcomes, Report, changed
from webapp.components.text import CHICAGO, clock, day, duration, moment, short_day

FONT: Final = "Helvetica"  # every reader has it
MARGIN: Final = 16.0  # mm
GAP: Final = 6.0
Colour = tuple[int, int, int]
INK: Final[Colour] = (20, 32, 43)
DIM: Final[Colour] = (85, 100, 114)
LINE: Final[Colour] = (221, 228, 234)
STAR: Final[Colour] = (210, 37, 50)
LAKE: Final[Colour] = (6, 101, 157)
# Told apart by lightness too: the report may be printed in grey.
OUTCOMES: Final[tuple[tuple[str, str, Colour], ...]] = (
    ("no_injury", "No injury", (143, 187, 219)),
    ("injury", "Injury", (224, 142, 11)),
    ("severe", "Severe", (140, 28, 60)),
    ("unknown", "Not known yet", (197, 204, 211)),
)
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def report_pdf(report: Report) -> bytes:
    """`report` as PDF, on US letter paper."""
    pdf = _Document(report)
    _head(pdf, report)
    _totals(pdf, report)
    _over_time(pdf, report)
    _outcomes_and_hours(pdf, report)
    _types_and_places(pdf, report)
    pdf.add_page()
    _quality(pdf, report)
    _runs(pdf, report)
    _definitions(pdf, report)
    return bytes(pdf.output())


class _Document(FPDF):
    """A page with the report's foot; every text is brought to what its font can write."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="letter")
        self._foot = f"Made {_local(report.made_at)} from a copy of data.cityofchicago.org. Times are Chicago's."
        self.core_fonts_encoding = "cp1252"
        self.set_margins(MARGIN, 14, MARGIN)
        self.set_auto_page_break(auto=True, margin=16)
        self.set_title(f"Traffic crashes in Chicago, {_period(report.first, report.last)}")
        self.set_creator("Crash Stream")
        self.set_creation_date(report.made_at.replace(tzinfo=report.made_at.tzinfo or UTC))
        self.set_lang("en-US")
        self.set_line_width(0.15)
        self.c_margin = 0  # what begins at the margin stands at the margin
        self.add_page()

    def footer(self) -> None:
        """The line at the foot of each page."""
        self.set_y(-11)
        self.write_line(self._foot, size=7, colour=DIM, width=self.epw - 30)
        self.set_xy(self.w - MARGIN - 30, -11)
        self.write_line(f"Page {self.page_no()} of {{nb}}", size=7, colour=DIM, width=30, align="R")

    def normalize_text(self, text: str) -> str:
        """What the font has no letter for becomes a question mark, and no error."""
        return super().normalize_text(text.encode("cp1252", "replace").decode("cp1252"))

    def pen(self, size: float, colour: Colour = INK, style: str = "") -> None:
        """Write on in this size (points) and colour."""
        self.set_font(FONT, style, size)
        self.set_text_color(*colour)

    def write_line(
        self,
        text: str,
        *,
        size: float = 8,
        colour: Colour = INK,
        style: str = "",
        width: float = 0,
        align: str = "L",
        height: float | None = None,
    ) -> None:
        """One line at the pen, which goes on below it."""
        self.pen(size, colour, style)
        x = self.x
        self.cell(width, height or size * 0.5, text, align=align)
        self.set_xy(x, self.y + (height or size * 0.5))

    def put(self, x: float, y: float, text: str, *, size: float = 6.5, colour: Colour = DIM, align: str = "L") -> None:
        """A text whose left end, middle (C) or right end (R) is at `x`, centred on `y`."""
        self.pen(size, colour)
        wide = self.get_string_width(text)
        start = x - {"L": 0.0, "C": wide / 2, "R": wide}[align]
        self.text(start, y + size * 0.125, text)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.set_fill_color(*colour)
        self.rect(x, y, width, height, style="F")

    def title_line(self, text: str) -> None:
        """The title of a section."""
        self.write_line(text, size=10.5, style="B", height=6.5)


def _head(pdf: _Document, report: Report) -> None:
    pdf.set_fill_color(*STAR)
    pdf.star(MARGIN + 4, 19, 2.1, 4.2, 6, style="F")
    pdf.set_xy(MARGIN + 10, 14)
    pdf.write_line("Traffic crashes in Chicago", size=19, style="B", height=9)
    pdf.write_line(_period(report.first, report.last), size=12, colour=LAKE, height=6)
    right = 78.0
    for number, (label, text) in enumerate(
        (
            ("Data through", f"{day(report.data_through.date())}, {clock(report.data_through)}"),
            ("Compared with", _period(report.before_first, report.before_last) if report.before else "nothing before"),
            ("Report made", _local(report.made_at)),
        )
    ):
        pdf.set_xy(pdf.w - MARGIN - right, 14.5 + 4.6 * number)
        pdf.write_line(label, size=8, colour=DIM, width=24)
        pdf.set_xy(pdf.w - MARGIN - right + 24, 14.5 + 4.6 * number)
        pdf.write_line(text, size=8, width=right - 24, align="R")
    pdf.set_draw_color(*LINE)
    pdf.line(MARGIN, 32, pdf.w - MARGIN, 32)
    pdf.set_xy(MARGIN, 36)


def _totals(pdf: _Document, report: Report) -> None:
    """Eight figures in two rows, each with what it was a year before."""
    top, wide, high = pdf.y, (pdf.epw - 3 * 4) / 4, 18.5
    for number, (name, title, _) in enumerate(TOTALS):
        now = getattr(report.totals, name)
        before = getattr(report.before, name) if report.before else None
        x, y = MARGIN + number % 4 * (wide + 4), top + number // 4 * (high + 2.5)
        pdf.set_draw_color(*LINE)
        pdf.rect(x, y, wide, high, round_corners=True, corner_radius=1.5)
        pdf.set_xy(x + 2, y + 1.8)
        pdf.write_line(title, size=8, colour=DIM, width=wide - 4)
        pdf.write_line(f"{now:,}", size=16, style="B", width=wide - 4, height=7.5)
        pdf.write_line(_change(now, before), size=7.5, colour=DIM, width=wide - 4)
    pdf.set_xy(MARGIN, top + 2 * high + 2.5 + GAP)


def _over_time(pdf: _Document, report: Report) -> None:
    """Stacked bars, drawn as rectangles."""
    pdf.title_line(f"Crashes by {report.unit}")
    _legend(pdf, pdf.w - MARGIN, pdf.y - 3.2)
    left, top, wide, high = MARGIN + 11, pdf.y + 1.5, pdf.epw - 11, 43.0
    sums = [sum(getattr(one, name) for name, *_ in OUTCOMES) for one in report.over_time]
    most, step = _axis(max(sums))
    for tick in range(0, most + 1, step):
        y = top + high - high * tick / most
        pdf.set_draw_color(*LINE)
        pdf.line(left, y, left + wide, y)
        pdf.put(left - 1.5, y, f"{tick:,}", align="R")
    slot = wide / len(sums)
    bar = min(slot * 0.78, 9)
    every = max(1, -(-len(sums) // 12))
    for number, one in enumerate(report.over_time):
        x, y = left + slot * number + (slot - bar) / 2, top + high
        for name, _, colour in OUTCOMES:
            tall = high * getattr(one, name) / most
            y -= tall
            if tall:
                pdf.box(x, y, bar, tall, colour)
        if number % every == 0:
            pdf.put(left + slot * (number + 0.5), top + high + 3, _since(one, report), align="C")
    pdf.set_xy(MARGIN, top + high + 5 + GAP)


def _outcomes_and_hours(pdf: _Document, report: Report) -> None:
    top = pdf.y
    _by_outcome(pdf, report, 62)
    pdf.set_xy(MARGIN + 62 + GAP, top)
    _by_hour(pdf, report, MARGIN + 62 + GAP, pdf.epw - 62 - GAP)
    pdf.set_xy(MARGIN, top + 6.5 + 4 + 7 * 5.5 + GAP)


def _by_outcome(pdf: _Document, report: Report, wide: float) -> None:
    """A bar an outcome, with its number and its share."""
    pdf.title_line("By outcome")
    counts = [sum(getattr(one, name) for one in report.over_time) for name, *_ in OUTCOMES]
    total, most = max(1, sum(counts)), max(1, *counts)
    y = pdf.y + 1
    for (_, label, colour), count in zip(OUTCOMES, counts, strict=True):
        pdf.put(MARGIN, y + 2, label, size=8, colour=INK)
        pdf.put(MARGIN + wide, y + 2, f"{count:,}  {count / total:.1%}", size=8, colour=INK, align="R")
        pdf.box(MARGIN, y + 4.5, wide, 3.4, LINE)
        pdf.box(MARGIN, y + 4.5, wide * count / most, 3.4, colour)
        y += 11.5


def _by_hour(pdf: _Document, report: Report, left: float, wide: float) -> None:
    """Weekdays by hours: the darker, the more; the numbers stand in the cells."""
    pdf.title_line("By weekday and hour")
    counts = {(one.day_of_week, one.hour): one.crashes for one in report.hours}
    most = max(counts.values(), default=1)
    side, top, high = (wide - 9) / 24, pdf.y + 4, 5.5
    for hour in range(0, 24, 3):
        pdf.put(left + 9 + side * hour, top - 2, f"{hour}:00", size=6)
    for weekday, name in enumerate(WEEKDAYS, 1):
        y = top + (weekday - 1) * high
        pdf.put(left, y + high / 2, name, size=7)
        for hour in range(24):
            count = counts.get((weekday, hour), 0)
            share = count / most
            pdf.box(left + 9 + side * hour, y, side - 0.25, high - 0.25, _shade(share))
            ink = (255, 255, 255) if share > 0.55 else INK
            text = f"{count}" if count < 1000 else f"{count / 1000:.0f}k"
            pdf.put(left + 9 + side * (hour + 0.5) - 0.1, y + high / 2, text, size=5.5, colour=ink, align="C")


def _types_and_places(pdf: _Document, report: Report) -> None:
    wide = (pdf.epw - GAP) / 2
    top = pdf.y
    pdf.title_line("Most frequent crash types")
    _table(
        pdf,
        ("Type", "Crashes", "Year on year", "With injury"),
        (44, 15, 20, 18),
        [
            (
                one.kind.capitalize(),
                f"{one.crashes:,}",
                _percent(one.crashes, one.before),
                f"{one.injury_crashes / one.crashes:.1%}",
            )
            for one in report.types
        ],
        left=MARGIN,
        wide=wide,
    )
    bottom = pdf.y
    pdf.set_xy(MARGIN + wide + GAP, top)
    pdf.title_line("Places with most people injured")
    _table(
        pdf,
        ("Cell, and its main street", "Injured", "Killed", "Crashes"),
        (52, 14, 13, 15),
        [
            (
                f"{one.grid_id.replace('_', ', ')} {capwords(one.street or '')}",
                f"{one.injured:,}",
                f"{one.killed:,}",
                f"{one.crashes:,}",
            )
            for one in report.places
        ],
        left=MARGIN + wide + GAP,
        wide=wide,
    )
    pdf.set_xy(MARGIN, max(bottom, pdf.y) + GAP)


def _quality(pdf: _Document, report: Report) -> None:
    pdf.title_line("What to know of the data")
    for line in report.remarks:
        pdf.pen(8)
        pdf.set_x(MARGIN)
        pdf.cell(3.5, 4.3, "\x95".encode("latin-1").decode("cp1252"))
        pdf.multi_cell(pdf.epw - 3.5, 4.3, line, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.set_y(pdf.y + GAP)


def _runs(pdf: _Document, report: Report) -> None:
    pdf.title_line("Last runs, newest first")
    if not report.runs:
        pdf.write_line("Nothing was copied yet.", colour=DIM)
    else:
        _table(
            pdf,
            ("Run", "Asked for", "State", "Took", "Rows", "Crashes changed"),
            (66, 30, 18, 20, 20, 26),
            [
                (
                    one.run_id,
                    moment(one.requested_at),
                    one.status,
                    duration((one.finished_at - one.requested_at).total_seconds())
                    if one.finished_at and one.requested_at
                    else "-",
                    f"{one.rows_fetched:,}",
                    f"{one.crashes_changed:,}",
                )
                for one in report.runs
            ],
            left=MARGIN,
            wide=pdf.epw,
            numbers_from=4,
        )
    pdf.set_xy(MARGIN, pdf.y + GAP)


def _definitions(pdf: _Document, report: Report) -> None:
    pdf.title_line("How the figures are made")
    for word, meaning in report.definitions.items():
        pdf.set_x(MARGIN)
        pdf.pen(8, style="B")
        pdf.cell(42, 4.3, word)
        pdf.pen(8, DIM)
        pdf.multi_cell(pdf.epw - 42, 4.3, meaning, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.set_y(pdf.y + 1)


def _table(
    pdf: _Document,
    titles: Sequence[str],
    widths: Sequence[float],
    lines: Iterable[Sequence[str]],
    *,
    left: float,
    wide: float,
    numbers_from: int = 1,
) -> None:
    """Rows under thin lines; columns from `numbers_from` on are set to the right."""
    pdf.set_left_margin(left)
    pdf.set_x(left)
    pdf.pen(7.5)
    pdf.set_draw_color(*LINE)
    pdf.set_fill_color(255, 255, 255)
    sides = ["LEFT" if number < numbers_from else "RIGHT" for number in range(len(titles))]
    with pdf.table(
        width=wide,
        col_widths=tuple(widths),
        text_align=tuple(sides),
        line_height=4.3,
        padding=(0.2, 0.8, 0.2, 0),
        borders_layout="HORIZONTAL_LINES",
        align="LEFT",
        headings_style=FontFace(emphasis="", color=DIM),
    ) as table:
        for line in (titles, *lines):
            row = table.row()
            for text in line:
                row.cell(text)
    pdf.set_left_margin(MARGIN)


def _legend(pdf: _Document, right: float, y: float) -> None:
    for _, label, colour in reversed(OUTCOMES):
        pdf.pen(7.5)
        right -= pdf.get_string_width(label)
        pdf.put(right, y, label, size=7.5)
        pdf.box(right - 4, y - 1.3, 2.6, 2.6, colour)
        right -= 8


def _axis(most: int) -> tuple[int, int]:
    """The end of an axis that holds `most`, and the step of its ticks: 1, 2 or 5 of some power of ten."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if most <= 5 * step:
                return max(step, -(-most // step) * step), step
        power *= 10


def _shade(share: float) -> Colour:
    """From nearly white to the lake's darkest blue."""
    low, high = (237, 244, 250), (5, 60, 100)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _since(one: Outcomes, report: Report) -> str:
    return f"{one.since:%b %Y}" if report.unit == "month" else short_day(one.since)


def _change(now: int, before: int | None) -> str:
    if before is None:
        return "no year before in the copy"
    share = changed(now, before)
    told = _signed(share) if share is not None else f"{now - before:+,}"
    return f"{told} ({before:,} a year before)"


def _percent(now: int, before: int | None) -> str:
    share = changed(now, before)
    return "–" if share is None else _signed(share)


def _signed(share: float) -> str:
    return f"{share:+.1%}".replace("-", "–") if share else "unchanged"


def _period(first: date, last: date) -> str:
    if first == last:
        return day(first)
    year = "" if first.year == last.year else f", {first:%Y}"
    return f"{short_day(first)}{year} – {short_day(last)}, {last:%Y}"


def _local(utc: datetime) -> str:
    local = (utc if utc.tzinfo else utc.replace(tzinfo=UTC)).astimezone(CHICAGO)
    return f"{short_day(local)}, {local:%Y}, {clock(local)}"
