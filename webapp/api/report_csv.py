"""The report as one CSV table: a figure a line, so that a spreadsheet can filter and add up."""

import csv
import io
from collections.abc import Iterator

from webapp.api.report_figures import TOTALS, Report

COLUMNS = ("section", "item", "figure", "value", "year_before")


def report_csv(report: Report) -> bytes:
    """`report` as CSV in UTF-8. `year_before` is empty where the copy does not hold those days."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_lines(report))
    return text.getvalue().encode()


def _lines(report: Report) -> Iterator[tuple[object, ...]]:
    for name in ("first", "last", "data_from", "data_through", "made_at"):
        yield "report", name, "", getattr(report, name).isoformat(), ""
    for name, title, _ in TOTALS:
        yield "key figures", title, name, getattr(report.totals, name), _of(report.before, name)
    for outcomes in report.over_time:
        for name in ("no_injury", "injury", "severe", "unknown"):
            yield f"crashes by {report.unit}", outcomes.since.isoformat(), name, getattr(outcomes, name), ""
    for hour in report.hours:
        yield "crashes by hour of the week", f"day {hour.day_of_week} hour {hour.hour}", "crashes", hour.crashes, ""
    for kind in report.types:
        yield "crash types", kind.kind, "crashes", kind.crashes, "" if kind.before is None else kind.before
        for name in ("injury_crashes", "severe_crashes"):
            yield "crash types", kind.kind, name, getattr(kind, name), ""
    for place in report.places:
        for name in ("injured", "killed", "crashes", "severe_crashes"):
            yield "places", f"{place.grid_id} {place.street or ''}".strip(), name, getattr(place, name), ""
    for name, value in report.notes:
        yield "data quality", name, "", "" if value is None else value, ""
    for run in report.runs:
        yield "last runs", run.run_id, "status", run.status, ""
        yield "last runs", run.run_id, "requested_at", run.requested_at and f"{run.requested_at.isoformat()}Z", ""
        yield "last runs", run.run_id, "crashes_changed", run.crashes_changed, ""
    if report.audit:
        for name in ("agree", "audited_at", "portal", "ours", "missing", "gone", "moved"):
            yield "last audit", report.audit.run_id, name, getattr(report.audit, name), ""


def _of(totals: object | None, name: str) -> object:
    return "" if totals is None else getattr(totals, name)
