"""Reports over the API: every figure is the one that can be counted by hand, on screen and in print."""

import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.integration.webapp.report_gold import AUDIT, NEWEST, OLD_AUDIT, RUNS, crashes, write_reported
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from webapp.api.report_figures import Report, remarks
from webapp.api.report_pdf import report_pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")
CRASHES = crashes()
PERIOD = {"from": "2025-10-01", "to": "2025-11-15"}
TEXTS = re.compile(rb"\(((?:\\.|[^\\()])*)\) Tj")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[aiohttp.ClientSession]:
    folder = tmp_path_factory.mktemp("reported")
    write_reported(folder / "gold.duckdb")
    async with (
        serve_gold(folder / "gold.duckdb") as gold,
        serve_web(nowhere(folder, gold_port=gold.port), Outbox()) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def ask(api: aiohttp.ClientSession, path: str, code: int = 200, /, **parameters: Any) -> Any:
    async with api.get(f"/api/reports/{path}", params=parameters) as response:
        body = await response.json()
        assert response.status == code, body
        return body


def within(first: date, last: date) -> list[dict[str, Any]]:
    return [crash for crash in CRASHES if first <= crash["crash_date"].date() <= last]


def counted(found: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The key figures of these crashes, counted in Python."""
    found = list(found)
    return {
        "crashes": len(found),
        "injured": sum(crash["injuries_total"] or 0 for crash in found),
        "killed": sum(crash["injuries_fatal"] or 0 for crash in found),
        "injury_crashes": sum(bool(crash["injury"]) for crash in found),
        "severe_crashes": sum(bool(crash["injury_severe"]) for crash in found),
        "on_foot_or_bicycle": sum(crash["first_crash_type"] in ("PEDESTRIAN", "PEDALCYCLIST") for crash in found),
        "hit_and_run": sum(bool(crash["hit_and_run_i"]) for crash in found),
        "outcome_unknown": sum(crash["injury"] is None for crash in found),
    }


def texts(pdf: bytes) -> list[str]:
    """The texts of a PDF, page after page, in the order in which they are drawn."""
    found = []
    for stream in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL):
        found += [
            re.sub(rb"\\(.)", rb"\1", text).decode("cp1252", "replace")
            for text in TEXTS.findall(zlib.decompress(stream) if stream[:1] == b"\x78" else stream)
        ]
    return found


async def test_the_summary_counts_what_gold_holds(api: aiohttp.ClientSession) -> None:
    summary = await ask(api, "summary")
    assert summary["rows"]["crashes"] == len(CRASHES)
    assert datetime.fromisoformat(summary["data_through"]) == NEWEST
    assert (summary["runs"], summary["pages"]) == ({"running": 0, "complete": 5, "failed": 1}, 3)
    assert summary["bytes_archived"] == 3 * 340_000
    assert (summary["months"], summary["dead_letters"], summary["models"]) == (1, 0, [])
    assert (summary["audit"]["run_id"], summary["audit"]["agree"]) == (AUDIT, False)
    assert len(summary["windows"]) == 6
    for window in summary["windows"]:
        first, last = (date.fromisoformat(window[name]) for name in ("first_day", "last_day"))
        assert (last - first).days in (window["days"] - 1, window["days"])
        assert last == NEWEST.date() - timedelta(days=365 if window["a_year_before"] else 0)
        found = counted(within(first, last))
        assert {name: window[name] for name in ("crashes", "injured", "killed")} == {
            name: found[name] for name in ("crashes", "injured", "killed")
        }
        assert window["no_injury"] + window["injury"] + window["severe"] + window["unknown"] == window["crashes"]
        oldest = min(crash["crash_date"] for crash in CRASHES).date()
        assert window["whole"] == (oldest <= first)


async def test_runs_are_listed_newest_first_filtered_and_paged(api: aiohttp.ClientSession) -> None:
    history = await ask(api, "run-history")
    assert [run["run_id"] for run in history["runs"]] == list(RUNS)
    assert history["total"] == len(RUNS)
    assert history["kinds"] == {"audit": 2, "backfill": 3, "stream": 1}
    second = await ask(api, "run-history", limit=2, offset=2)
    assert [run["run_id"] for run in second["runs"]] == list(RUNS[2:4])
    assert second["total"] == len(RUNS)
    backfills = await ask(api, "run-history", kind="backfill", status="complete")
    assert ([run["run_id"] for run in backfills["runs"]], backfills["total"]) == (["backfill-nine", "backfill-two"], 2)
    changed = await ask(api, "run-history", changed_only="true")
    assert [run["run_id"] for run in changed["runs"]] == ["backfill-nine", "backfill-failed", "backfill-two"]
    # 05:55 UTC is five minutes to midnight in Chicago: the newest runs were asked for on the 22nd there.
    today = await ask(api, "run-history", **{"from": "2025-11-22", "to": "2025-11-22"})
    assert [run["run_id"] for run in today["runs"]] == list(RUNS[:4])
    assert (await ask(api, "run-history", **{"from": "2025-11-23"}))["total"] == 0


async def test_runs_come_as_csv_with_their_number_in_a_header(api: aiohttp.ClientSession) -> None:
    async with api.get("/api/reports/run-history.csv", params={"limit": "2"}) as response:
        lines = list(csv.DictReader(io.StringIO(await response.text())))
        assert response.headers["X-Total-Count"] == str(len(RUNS))
    assert [line["run_id"] for line in lines] == list(RUNS[:2])


async def test_audits_are_listed_newest_first_with_their_verdict(api: aiohttp.ClientSession) -> None:
    audits = (await ask(api, "audits"))["audits"]
    assert [(audit["run_id"], audit["agree"], audit["missing"]) for audit in audits] == [
        (AUDIT, False, 3),
        (OLD_AUDIT, True, 0),
    ]
    assert (audits[0]["months"], audits[0]["comparisons"], audits[0]["portal"]) == (1, 2, 850)


async def test_quality_is_counted_by_month_and_column(api: aiohttp.ClientSession) -> None:
    rows = (await ask(api, "quality", **{"from": "2025-09-01", "to": "2025-10-31"}))["rows"]
    assert {row["month"] for row in rows} == {"2025-09", "2025-10"}
    found = {(row["month"], row["column"]): row for row in rows}
    for month in ("2025-09", "2025-10"):
        inside = [crash for crash in CRASHES if f"{crash['crash_date']:%Y-%m}" == month]
        for column in ("posted_speed_limit", "hit_and_run_i", "injury", "crash_date", "month", "street_no", "lane_cnt"):
            row = found[month, column]
            flags = Counter(flag for crash in inside for flag in crash["quality_flags"])
            assert row["rows"] == len(inside)
            assert row["filled"] == sum(crash.get(column) is not None for crash in inside)
            assert row["impossible"] == flags[f"{column}:impossible"]
            assert row["unparsable"] == flags[f"{column}:unparsable"]
    assert (await ask(api, "quality", dataset="people"))["rows"] == []
    (drift,) = (await ask(api, "drifts"))["rows"]
    assert (drift["column"], drift["drift"]) == ("lane_cnt", "vanished")


async def test_a_report_compares_its_period_with_the_same_days_a_year_before(api: aiohttp.ClientSession) -> None:
    report = await ask(api, "period", **PERIOD)
    now, before = within(date(2025, 10, 1), date(2025, 11, 15)), within(date(2024, 10, 1), date(2024, 11, 15))
    assert report["totals"] == counted(now)
    assert report["before"] == counted(before) != report["totals"]
    assert [run["run_id"] for run in report["runs"]] == ["backfill-nine", "backfill-failed", "backfill-two"]
    kinds = Counter(crash["first_crash_type"] for crash in now)
    assert {kind["kind"]: kind["crashes"] for kind in report["types"]} == kinds
    assert [kind["crashes"] for kind in report["types"]] == sorted(kinds.values(), reverse=True)
    earlier = Counter(crash["first_crash_type"] for crash in before)
    assert {kind["kind"]: kind["before"] for kind in report["types"]} == earlier
    cells: Counter[str] = Counter()
    for crash in now:
        cells[crash["grid_id"]] += crash["injuries_total"] or 0
    assert [place["injured"] for place in report["places"]] == sorted(cells.values(), reverse=True)
    assert {place["grid_id"]: place["injured"] for place in report["places"]} == cells
    assert sum(hour["crashes"] for hour in report["hours"]) == len(now)
    assert len(report["over_time"]) == 46
    outcomes = ("no_injury", "injury", "severe", "unknown")
    assert sum(one[name] for one in report["over_time"] for name in outcomes) == len(now)
    assert (report["notes"]["lag_median"], report["notes"]["drifts"]) == (31 / 60, 1)


async def test_a_year_that_the_copy_does_not_hold_is_not_compared_with(api: aiohttp.ClientSession) -> None:
    report = await ask(api, "period", **{"from": "2024-09-01", "to": "2024-09-30"})
    assert report["before"] is None
    assert {kind["before"] for kind in report["types"]} == {None}
    assert report["totals"] == counted(within(date(2024, 9, 1), date(2024, 9, 30)))


async def test_without_days_a_report_is_of_the_last_thirty(api: aiohttp.ClientSession) -> None:
    report = await ask(api, "period")
    assert (report["from"], report["to"]) == ("2025-10-24", "2025-11-22")
    assert (await ask(api, "period", to="2026-03-01"))["to"] == "2025-11-22"


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("period", {"from": "2025-11-10", "to": "2025-11-01"}, "to"),
        ("period", {"from": "2031-01-01"}, "from"),
        ("period", {"from": "yesterday"}, "from"),
        ("download/pdf", {"to": "1999-01-01"}, "from"),
        ("download/csv", {"from": "2025-02-30"}, "from"),
        ("quality", {"dataset": "cars"}, "dataset"),
        ("quality", {"from": "0001-01-01"}, "from"),
        ("run-history", {"from": "2025-11-10", "to": "2025-11-01"}, "to"),
        ("run-history", {"status": "lost"}, "status"),
        ("run-history", {"limit": "0"}, "limit"),
    ],
)
async def test_bad_input_is_refused_by_field(
    api: aiohttp.ClientSession, path: str, parameters: dict[str, str], field: str
) -> None:
    assert (await ask(api, path, 422, **parameters))["error"]["field"] == field


async def test_before_the_first_crash_there_is_no_report(tmp_path: Path) -> None:
    async with (
        serve_gold(tmp_path / "gold.duckdb") as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        aiohttp.ClientSession(url) as api,
    ):
        assert (await ask(api, "period", 404))["error"]["hint"]
        assert (await ask(api, "summary"))["windows"] == []
        assert (await ask(api, "quality"))["rows"] == []


async def test_the_pdf_says_what_the_report_says(api: aiohttp.ClientSession) -> None:
    report = Report.model_validate(await ask(api, "period", **PERIOD))
    async with api.get("/api/reports/download/pdf", params=PERIOD) as response:
        assert response.content_type == "application/pdf"
        assert "chicago-crashes-2025-10-01-to-2025-11-15.pdf" in response.headers["Content-Disposition"]
        pdf = await response.read()
    assert pdf.startswith(b"%PDF-")
    told = texts(pdf)
    assert {"Traffic crashes in Chicago", "Oct 1 – Nov 15, 2025"} <= set(told)
    assert [told[told.index(f"Page {page} of ") + 1] for page in (1, 2)] == ["2", "2"]
    assert report.before is not None
    for title, now, before in (
        ("Crashes", report.totals.crashes, report.before.crashes),
        ("People injured", report.totals.injured, report.before.injured),
        ("People killed", report.totals.killed, report.before.killed),
        ("Hit and run", report.totals.hit_and_run, report.before.hit_and_run),
    ):
        figure = told.index(title)
        share = f"{(now - before) / before:+.1%}".replace("-", "–") if now != before else "unchanged"
        assert told[figure + 1 : figure + 3] == [f"{now:,}", f"{share} ({before:,} a year before)"]
    for kind in report.types:
        line = told.index(kind.kind.capitalize())
        assert told[line + 1] == f"{kind.crashes:,}"
    runs = [text for text in told if text in RUNS]
    assert runs == ["backfill-nine", "backfill-failed", "backfill-two"]  # in their true order
    whole = " ".join(told)
    assert "compared 850 rows of the portal with 847 of the copy: 3 missing, 0 gone, 0 moved" in whole
    for word in report.definitions:
        assert word in told


async def test_the_csv_says_what_the_report_says(api: aiohttp.ClientSession) -> None:
    report = await ask(api, "period", **PERIOD)
    async with api.get("/api/reports/download/csv", params=PERIOD) as response:
        lines = list(csv.DictReader(io.StringIO(await response.text())))
    figures = {line["figure"]: line for line in lines if line["section"] == "key figures"}
    assert {name: int(line["value"]) for name, line in figures.items()} == report["totals"]
    assert {name: int(line["year_before"]) for name, line in figures.items()} == report["before"]
    runs = [line["item"] for line in lines if line["section"] == "last runs" and line["figure"] == "status"]
    assert runs == [run["run_id"] for run in report["runs"]]


async def test_a_report_of_odd_words_and_long_years_can_be_printed(api: aiohttp.ClientSession) -> None:
    report = Report.model_validate(await ask(api, "period", **{"from": "2024-04-01", "to": "2025-11-22"}))
    assert report.unit == "month"
    report.types[0].kind = "ŁÓDŹ → 北京 (odd\\"
    report.places[0].street = None
    report.audit = None
    report.remarks = remarks(report.notes, None)
    told = texts(report_pdf(report))
    assert any("audit" in text for text in told)
    assert "Apr 2024" in told
