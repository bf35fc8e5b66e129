"""Cutting a span of crash dates into windows, each fetched as keyset pages of its own."""

from datetime import date
from itertools import pairwise


def months(start: date, end: date) -> list[tuple[date, date]]:
    """[start, end) cut at the first of each month: windows without gap or overlap.

    They depend on nothing but the span, so a request planned twice names the same pages.
    """
    cuts = [start]
    while (cut := _next_month(cuts[-1])) < end:
        cuts.append(cut)
    return list(pairwise([*cuts, end]))


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
