"""API: every route with what it takes, what it gives and an example, from the app's own OpenAPI description.

FastAPI's own page loads Swagger UI from a CDN, which an offline machine does not reach and our policy does not allow.
"""

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component


def layout(describe: Callable[[], dict[str, Any]]) -> Component:
    """The page for the OpenAPI description that `describe` gives."""
    schema = describe()
    return html.Div(
        [
            html.H1("API"),
            html.P(
                [
                    "Reading is open. Writing needs the header ",
                    html.Code("Authorization: Bearer <CRASH_API_TOKEN>"),
                    ". Every error comes as ",
                    html.Code('{"error": {"code", "message", "field", "hint"}, "request_id"}'),
                    ". The same as a file: ",
                    html.A("openapi.json", href="/openapi.json"),
                    ".",
                ],
                className="lead",
            ),
            *(_subject(tag, list(routes), schema) for tag, routes in groupby(_routes(schema), key=_tag)),
        ],
        className="reference",
    )


def _routes(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each route, those of a subject together."""
    found = [
        (method.upper(), path, route) for path, methods in schema["paths"].items() for method, route in methods.items()
    ]
    order = list(dict.fromkeys(_tag(route) for route in found))
    return sorted(found, key=lambda route: order.index(_tag(route)))


def _tag(route: tuple[str, str, dict[str, Any]]) -> str:
    tag: str = route[2].get("tags", ["other"])[0]
    return tag


def _subject(tag: str, routes: list[tuple[str, str, dict[str, Any]]], schema: dict[str, Any]) -> Component:
    return html.Section([html.H2(tag.capitalize()), *(_route(*route, schema) for route in routes)])


def _route(method: str, path: str, route: dict[str, Any], schema: dict[str, Any]) -> Component:
    body = _body(route, schema)
    fields = [*(_parameter(parameter) for parameter in route.get("parameters", [])), *_properties(body)]
    about = route.get("description", "")
    return html.Details(
        [
            html.Summary(
                [
                    html.Span(method, className=f"method method-{method.lower()}"),
                    html.Code(path),
                    html.Span(about.split("\n")[0], className="route-about"),
                ]
            ),
            html.P(about),
            *([_fields(fields)] if fields else []),
            html.Pre(_example(method, path, route, body), tabIndex=0),
            html.P(["Answers: ", _answers(route)], className="answers"),
        ],
        className="route",
    )


def _parameter(parameter: dict[str, Any]) -> tuple[str, str, str]:
    return (
        parameter["name"] + (" *" if parameter.get("required") else ""),
        _kind(parameter["schema"]),
        parameter.get("description", ""),
    )


def _properties(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    required = body.get("required", [])
    return [
        (name + (" *" if name in required else ""), _kind(kind), kind.get("description", ""))
        for name, kind in body.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, such as `integer, 1 to 1000, default 20`."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    core = options[0] if options else schema
    items = core.get("items", {})
    words = [" | ".join(map(str, core.get("enum", []))) or core.get("format") or core.get("type", "any")]
    if items.get("enum"):
        words = [f"list of {' | '.join(items['enum'])}"]
    if "minimum" in core and "maximum" in core:
        words.append(f"{core['minimum']:,} to {core['maximum']:,}")
    default = schema.get("default")
    if default is not None:
        words.append(f"default {', '.join(default) if isinstance(default, list) else default}")
    return ", ".join(words)


def _fields(fields: list[tuple[str, str, str]]) -> Component:
    head = html.Tr([html.Th(title, scope="col") for title in ("Field", "Takes", "Meaning")])
    body = [
        html.Tr([html.Th(html.Code(name), scope="row"), html.Td(kind), html.Td(meaning)])
        for name, kind, meaning in fields
    ]
    return html.Div(html.Table([html.Thead(head), html.Tbody(body)]), className="fields", tabIndex=0)


def _body(route: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    content = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = content.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Any] = schema.get("components", {}).get("schemas", {}).get(name, content)
    return found


def _example(method: str, path: str, route: dict[str, Any], body: dict[str, Any]) -> str:
    """A command that can be pasted into a shell."""
    query = {}
    for parameter in route.get("parameters", []):
        examples = parameter["schema"].get("examples") or parameter.get("examples") or []
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", str(examples[0] if examples else "…"))
        elif parameter.get("required"):
            query[parameter["name"]] = examples[0] if examples else "…"
    address = f"http://127.0.0.1:8000{path}" + (f"?{urlencode(query)}" if query else "")
    if method == "GET":
        return f"curl '{address}'"
    sent = json.dumps((body.get("examples") or [{}])[0])
    return (
        f"curl -X {method} '{address}' \\\n"
        f"  -H 'Authorization: Bearer '\"$CRASH_API_TOKEN\" -H 'Content-Type: application/json' \\\n  -d '{sent}'"
    )


def _answers(route: dict[str, Any]) -> str:
    return "; ".join(f"{status}: {answer['description']}" for status, answer in sorted(route["responses"].items()))
