"""A file of crashes: a CSV goes in, and comes out with a probability a row."""

import asyncio
import base64
import binascii
import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from pydantic_core import from_json

from models.inputs import MOST_ROWS
from streams.errors import RequestError
from webapp.ask import Ask, Refused
from webapp.components.empty import empty
from webapp.components.probability import percent
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.text import number, plural, size
from webapp.errors import Error
from webapp.pages.predict.span import histogram, target_select, version_link

MOST_BYTES: Final = 8_000_000
_ROWS: Final = 50
_BINS: Final = 20

CHOICES: Final = {"predict-file-target": "target"}


def layout(choices: Mapping[str, str]) -> Component:
    """Where a file is dropped, and what it should look like."""
    limit = f"at most {MOST_ROWS:,} rows and {size(MOST_BYTES)}"
    return html.Div(
        [
            html.Div(
                [
                    target_select("predict-file-target", choices.get("target", "")),
                    html.A("Template to fill in (CSV)", href="/api/model/example.csv", download="crashes.csv"),
                ],
                className="predict-tools",
            ),
            dcc.Upload(
                html.Div(
                    [
                        html.Strong("Drop a CSV here, or choose one"),
                        html.Span(f"A header with the portal's column names, a row a crash; {limit}."),
                    ],
                    className="predict-drop",
                ),
                id="predict-file",
                accept=".csv,text/csv",
                max_size=MOST_BYTES,
                className="predict-upload",
                className_active="predict-upload-active",
            ),
            html.P(
                f"That file is too large: {limit}. Split it, or have crashes of Gold predicted by their days.",
                id="predict-file-large",
                className="notice",
                hidden=True,
                role="alert",
                **_data(most=MOST_BYTES),
            ),
            html.Div(
                [dmc.Loader(size="sm"), "Predicting for each row …"],
                id="predict-file-busy",
                className="predict-busy",
                hidden=True,
                role="status",
            ),
            dcc.Store(id="predict-file-rows"),
            dcc.Download(id="predict-file-download"),
            html.Div(
                empty("No file yet", "What is missing in it counts as not known, and the answer says so.", "report"),
                id="predict-file-result",
                className="predict-batch",
            ),
        ]
    )


def _data(**attributes: int) -> dict[str, Any]:
    return {f"data-{name}": value for name, value in attributes.items()}


def callbacks(app: Dash, ask: Ask) -> None:
    """Predict for a file when it is dropped, and hand it back."""

    @app.callback(
        Output("predict-file-result", "children"),
        Output("predict-file-rows", "data"),
        Input("predict-file", "contents"),
        Input("predict-file-target", "value"),
        State("predict-file", "filename"),
        prevent_initial_call=True,
        running=[(Output("predict-file-busy", "hidden"), False, True)],
    )
    async def predict(contents: str | None, target: str, name: str | None) -> tuple[Any, Any]:
        if not contents:
            return no_update, no_update
        try:
            body = await asyncio.to_thread(_body, contents)
            response = await ask.request(
                "POST",
                "/api/model/predict",
                query={"target": target},
                content=body,
                headers={"Content-Type": "text/csv"},
            )
        except RequestError as error:
            said = Error(code="invalid-request", message=error.message, field=error.field, hint=error.hint)
            return problem(Refused(422, said)), None
        except Refused as refused:
            return problem(refused), None
        return await asyncio.to_thread(_result, response.content, body, name or "crashes.csv")

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "(clicks, rows) => clicks && rows ? {...rows, type: 'text/csv'} : dash_clientside.no_update",
        Output("predict-file-download", "data"),
        Input("predict-file-save", "n_clicks"),
        State("predict-file-rows", "data"),
        prevent_initial_call=True,
    )


def _body(contents: str) -> bytes:
    """The bytes of an upload, which comes as a data URL."""
    try:
        body = base64.b64decode(contents.partition(",")[2], validate=True)
    except binascii.Error:
        raise RequestError("the upload did not come whole", hint="choose the file once more") from None
    if len(body) > MOST_BYTES:
        raise RequestError(f"the file is larger than {size(MOST_BYTES)}", hint="split it into smaller ones")
    return body


def _result(answered: bytes, body: bytes, name: str) -> tuple[list[Component], dict[str, str]]:
    answer = from_json(answered)
    predictions, model = answer["predictions"], answer["model"]
    header, *rows = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")) if line]
    counts, edges = np.histogram([each["probability"] for each in predictions], bins=_BINS, range=(0, 1))
    called = sum(each["label"] for each in predictions)
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow([*header, "probability", "label"])
    for row, each in zip(rows, predictions, strict=True):
        writer.writerow([*row, repr(each["probability"]), str(each["label"]).lower()])
    columns = {f"{place}": title for place, title in enumerate(header[:6])}
    shown = [
        {f"{place}": value[:40] or None for place, value in enumerate(row[:6])}
        | {"row": place + 1, "probability": percent(each["probability"]), "label": each["label"]}
        for place, (row, each) in enumerate(zip(rows[:_ROWS], predictions[:_ROWS], strict=True))
    ]
    words = f"{name}: {plural(len(rows), 'row')}, {number(called)} called by the model"
    result: list[Component] = [
        html.Div(
            [
                html.P([html.Strong(words), f" (from {percent(model['threshold'])} on)."]),
                dmc.Button("Download with probabilities", id="predict-file-save"),
            ],
            className="card predict-file-head",
        ),
        *_findings(answer["findings"]),
        html.Section(
            [
                html.H2("Crashes by probability"),
                histogram(edges.tolist(), counts.tolist(), model["threshold"], "predict-file-plot"),
            ],
            className="card",
        ),
        html.Section(
            [
                html.H2(f"The first {_ROWS} of {len(rows):,}" if len(rows) > _ROWS else "All of them"),
                table(
                    {"row": "Row", "probability": "Probability", "label": "Called", **columns},
                    shown,
                    label="Rows with their probabilities",
                ),
                version_link(model["version"]),
            ],
            className="card",
        ),
    ]
    stem = name.rsplit(".", 1)[0]
    return result, {"content": written.getvalue(), "filename": f"{stem}-predicted.csv"}


def _findings(findings: dict[str, Any]) -> list[Component]:
    """What the file had and lacked, worst first."""
    lines = [
        ("Unknown columns", ", ".join(findings["unknown_columns"]), "nobody knows them; a typing error, perhaps"),
        (
            "Impossible values",
            ", ".join(map(_impossible, findings["impossible_values"][:20])),
            "they count as not known",
        ),
        (
            "New values",
            "; ".join(f"{name}: {', '.join(values)}" for name, values in findings["unknown_categories"].items()),
            "the model has not seen them; they count as rare ones do",
        ),
        (
            "Left aside",
            ", ".join(findings["ignored_columns"]),
            "outcomes and what follows from them, which no model may know, and what is worked out here",
        ),
        ("Missing columns", ", ".join(findings["missing_columns"]), "what the model looks at; it counts as not known"),
    ]
    told = [(title, what, why) for title, what, why in lines if what]
    if not told:
        return []
    items = [html.Div([html.Dt(title), html.Dd([html.Span(what), html.Small(why)])]) for title, what, why in told]
    return [
        html.Section([html.H2("What was found in it"), html.Dl(items, className="predict-found")], className="card")
    ]


def _impossible(odd: dict[str, str]) -> str:
    """Such as `row 1: lane_cnt 99`; the API counts rows from 0, people count lines."""
    _, row, column = odd["field"].split(".", 2)
    return f"row {int(row) + 1}: {column} {odd['value']}"
