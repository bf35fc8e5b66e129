"""Rows of a figure as a plot, and what is to be seen in it in one sentence."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from streams.domain.schemas import LATITUDES, LONGITUDES
from webapp.components.figure import CATEGORIES, SCALE
from webapp.components.outcomes import OUTCOMES
from webapp.components.plot import Letter, Plot
from webapp.components.text import day as long_day
from webapp.explore.choice import Choice
from webapp.pages.explore.marks import NOT_KNOWN, WEEKDAYS, chosen, filters, lit, named

Row = Mapping[str, Any]
Draw = Callable[[Sequence[Row], Choice], tuple[Plot, str]]

# Distinct in lightness and hue, on light and on dark.
_OUTCOME_COLOURS: Final = {"no_injury": "#5b9bcb", "injury": "#e69f00", "severe": "#c2336b", "unknown": "#999999"}
_PERIODS: Final = {"chosen": ("Chosen", CATEGORIES[0]), "compared": ("Compared", CATEGORIES[1])}
# Rates of fewer crashes say little; they are drawn with their interval, but no sentence is made of them.
LEAST: Final = 30
# Text categories that are drawn; the others are in the table.
MOST: Final = 10
_FEWEST: Final = 5  # rates of fewer are in the table alone
_LONGEST: Final = 30
PLACES_WIDTH: Final = 320
_MOST_BARS: Final = 800  # more are narrower than a pixel, and take a browser a second
_AXES: Final = {"hour": "Hour", "posted_speed_limit": "Speed limit, mph", "veh_count": "Units"}


def counts(key: str, *, sideways: bool = False) -> Draw:
    """Bars of crashes by `key`, stacked by outcome; for two periods a bar each, of crashes a day."""

    def draw(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
        rows = _top(rows, key, MOST) if sideways else rows
        plot = Plot()
        if choice.compared:
            for period, mine in _by_period(rows):
                name, colour = _PERIODS[period]
                _bars(
                    plot,
                    mine,
                    key,
                    [row["per_day"] for row in mine],
                    choice,
                    name,
                    colour,
                    sideways,
                    "%{v:,.3~r} a day",
                )
            _axes(plot, rows, key, sideways, "Crashes a day")
            return plot, _changed(rows, key)
        for outcome, name in OUTCOMES:
            values = [row[outcome] for row in rows]
            _bars(plot, rows, key, values, choice, name, _OUTCOME_COLOURS[outcome], sideways, "%{v:,}")
        plot.lay_out(barmode="stack")
        _axes(plot, rows, key, sideways, "Crashes")
        return plot, _most(rows, key)

    return draw


def a_day(key: str) -> Draw:
    """Bars of crashes a day by `key`, for what does not last equally long."""

    def draw(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
        plot = Plot()
        for period, mine in _by_period(rows):
            name, colour = _PERIODS[period]
            _bars(plot, mine, key, [row["per_day"] for row in mine], choice, name, colour, False, "%{v:,.1f} a day")
        _axes(plot, rows, key, False, "Crashes a day")
        plot.lay_out(showlegend=choice.compared)
        if choice.compared:
            return plot, _changed(rows, key)
        top = max(rows, key=lambda row: row["per_day"])
        return plot, f"Most on {named(key, top[key])}: {top['per_day']:,.1f} a day."

    return draw


def rates(key: str, what: str, *, sideways: bool = False) -> Draw:
    """Points of a rate by `key` with its interval; `what` says the rate of what, such as `with an injury`."""

    def draw(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
        rows = _top(rows, key, MOST) if sideways else rows
        rows = [row for row in rows if row["known"] >= _FEWEST and row[key] is not None]
        plot = Plot()
        for period, mine in _by_period(rows):
            name, colour = _PERIODS[period]
            error = {
                "type": "data",
                "symmetric": False,
                "array": [100 * (row["high"] - row["rate"]) for row in mine],
                "arrayminus": [100 * (row["rate"] - row["low"]) for row in mine],
                "thickness": 1.5,
                "width": 3,
            }
            marks = [filters(key, row[key]) for row in mine]
            values = [100 * row["rate"] for row in mine]
            places = [_tick(key, row[key]) for row in mine]
            plot.add(
                "scatter",
                x=values if sideways else places,
                y=places if sideways else values,
                **{"error_x" if sideways else "error_y": error},
                name=name,
                mode="markers",
                orientation="h" if sideways else "v",
                marker={
                    "size": 8,
                    "color": colour,
                    "symbol": "circle" if period == "chosen" else "diamond",
                    "opacity": _opacities(marks, choice),
                },
                customdata=[json.dumps(mark) for mark in marks],
                text=[
                    f"{named(key, row[key])}: {_percent(row)}<br>"
                    f"{row['hits']:,} of {row['known']:,} crashes whose outcome is known"
                    for row in mine
                ],
                hovertemplate="%{text}<extra></extra>",
            )
        # Side by side, so that the intervals of two periods can be told apart.
        plot.lay_out(scattermode="group", scattergap=0.6, showlegend=choice.compared)
        _axes(plot, rows, key, sideways, f"% {what}")
        plot.axis("x" if sideways else "y", ticksuffix=" %")
        sure = [row for row in rows if row["known"] >= LEAST and row["period"] == "chosen"]
        if not sure:
            return plot, f"Nowhere are there {LEAST} crashes to tell by."
        top = max(sure, key=lambda row: row["rate"])
        where = f"at {named(key, top[key])}" if key == "hour" else named(key, top[key]).lower()
        return plot, f"Highest: {where}, {_percent(top)} of {top['known']:,} crashes."

    return draw


def shares(key: str) -> Draw:
    """Bars of 100 % by outcome, the chosen period's."""

    def draw(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
        mine = _top(_chosen_period(rows), key, MOST)
        plot = Plot()
        for outcome, name in OUTCOMES:
            values = [100 * row[outcome] / row["crashes"] for row in mine]
            _bars(plot, mine, key, values, choice, name, _OUTCOME_COLOURS[outcome], True, "%{v:.1f} %")
        plot.lay_out(barmode="stack")
        _axes(plot, mine, key, True, "% of crashes")
        plot.axis("x", range=[0, 100], ticksuffix=" %")
        sure = [row for row in mine if row["known"] >= LEAST]
        if not sure:
            return plot, f"Nowhere are there {LEAST} crashes to tell by."
        worst = max(sure, key=lambda row: row["severe"] / row["crashes"])
        share = worst["severe"] / worst["crashes"]
        return plot, f"Severe most often: {named(key, worst[key])}, {share:.1%} of {worst['crashes']:,}."

    return draw


def speed_by_outcome(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """How the crashes of each outcome are spread over the speed limits, the chosen period's."""
    mine = [row for row in _chosen_period(rows) if row["posted_speed_limit"] is not None]
    plot = Plot()
    means = {}
    for outcome, name in OUTCOMES[:3]:
        total = sum(row[outcome] for row in mine)
        if not total:
            continue
        values = [100 * row[outcome] / total for row in mine]
        means[name] = sum(row["posted_speed_limit"] * row[outcome] for row in mine) / total
        key = "posted_speed_limit"
        _bars(plot, mine, key, values, choice, f"{name}, {total:,}", _OUTCOME_COLOURS[outcome], False, "%{v:.1f} %")
    _axes(plot, mine, "posted_speed_limit", False, "% of the outcome's crashes")
    plot.axis("y", ticksuffix=" %")
    told = ", ".join(f"{name.lower()} {mean:.1f} mph" for name, mean in means.items())
    return plot, f"Mean limit: {told}." if told else "No crash with a known limit and outcome."


def days(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """A bar a day while there are pixels for it, and the mean of seven; two periods begin at the same place."""
    plot = Plot()
    for period, mine in _by_period(rows):
        name, colour = _PERIODS[period]
        # Days on an axis of days name themselves; elsewhere each brings its name.
        texts = [long_day(date.fromisoformat(row["day"])) for row in mine] if choice.compared else None
        day = "%{text}" if choice.compared else "%{x|%a, %b %-d, %Y}"
        at = list(range(1, len(mine) + 1)) if choice.compared else [row["day"] for row in mine]
        marks = [filters("day", row["day"]) for row in mine]
        if not choice.compared and len(mine) <= _MOST_BARS:
            plot.add(
                "bar",
                x=at,
                y=[row["crashes"] for row in mine],
                name="A day",
                marker={"color": "#8fbbdb", "line": {"width": 0}, "opacity": _opacities(marks, choice)},
                customdata=[json.dumps(mark) for mark in marks],
                hovertemplate=f"{day}: %{{y:,}}<extra></extra>",
            )
        plot.add(
            "scatter",
            x=at,
            y=[row["mean_7_days"] for row in mine],
            name=f"{name}, mean of 7 days" if choice.compared else "Mean of 7 days",
            line={"color": colour, "width": 2, "dash": "dot" if period == "compared" else "solid"},
            customdata=[json.dumps(mark) for mark in marks],
            text=texts,
            hovertemplate=f"7 days to {day}: %{{y:,.1f}} a day<extra></extra>",
        )
    plot.lay_out(showlegend=True)
    plot.axis("y", rangemode="tozero", title="Crashes")
    plot.axis("x", title="Day of the period" if choice.compared else None)
    mine = _chosen_period(rows)
    top = max(mine, key=lambda row: row["crashes"])
    return plot, f"Most on {long_day(date.fromisoformat(top['day']))}: {top['crashes']:,}."


def week(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """Hours by weekdays; of two periods, by how much they differ."""
    per_day = {(row["period"], row["day_of_week"], row["hour"]): row["per_day"] for row in rows}
    grid = range(1, 8), range(24)

    def value(day: int, hour: int) -> float:
        mine: float = per_day.get(("chosen", day, hour), 0.0)
        return mine - per_day.get(("compared", day, hour), 0.0) if choice.compared else mine

    values = [[value(day, hour) for hour in grid[1]] for day in grid[0]]
    marks = [[{"day_of_week": [day], "hour_from": hour, "hour_to": hour} for hour in grid[1]] for day in grid[0]]
    reach = max(abs(one) for line in values for one in line)
    colours = (
        {"colorscale": "RdBu", "reversescale": True, "zmin": -reach, "zmax": reach}
        if choice.compared
        else {
            "colorscale": SCALE,
            "zmin": 0,
        }
    )
    plot = Plot()
    plot.add(
        "heatmap",
        x=[f"{hour}" for hour in grid[1]],
        y=[name[:3] for name in WEEKDAYS],
        z=values,
        customdata=[[json.dumps(mark) for mark in line] for line in marks],
        text=[[f"{WEEKDAYS[day - 1]}, {hour}:00" for hour in grid[1]] for day in grid[0]],
        hovertemplate="%{text}: %{z:.3~r} a day<extra></extra>",
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "a day"}},
        **colours,
    )
    for day in grid[0]:
        for hour in grid[1]:
            if choice.hour_from == choice.hour_to == hour and chosen(choice, marks[day - 1][hour]):
                plot.mark(
                    "shapes",
                    type="rect",
                    x0=hour - 0.5,
                    x1=hour + 0.5,
                    y0=day - 1.5,
                    y1=day - 0.5,
                    line={"color": "#d55e00", "width": 3},
                )
    plot.axis("y", autorange="reversed", showgrid=False)
    plot.axis("x", title="Hour", showgrid=False, type="category")
    day, hour = max(((day, hour) for day in grid[0] for hour in grid[1]), key=lambda at: values[at[0] - 1][at[1]])
    most = values[day - 1][hour]
    where = f"{WEEKDAYS[day - 1]} at {hour}:00"
    says = f"Grew most on {where}: {most:+.2f} a day." if choice.compared else f"Most on {where}: {most:.2f} a day."
    return plot, says


def people(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """For each kind of person, how many were hurt how badly; the chosen period's."""
    mine = _chosen_period(rows)
    kinds = list(dict.fromkeys(row["person_type"] for row in mine))
    totals = {kind: sum(row["people"] for row in mine if row["person_type"] == kind) for kind in kinds}
    plot = Plot()
    for injury in sorted({row["injury_classification"] for row in mine}, key=_badly):
        found = {row["person_type"]: row["people"] for row in mine if row["injury_classification"] == injury}
        marks = [filters("person_type", kind) for kind in kinds]
        plot.add(
            "bar",
            y=[f"{named('person_type', kind)}, {totals[kind]:,}" for kind in kinds],
            x=[100 * found.get(kind, 0) / totals[kind] for kind in kinds],
            orientation="h",
            name=named("injury_classification", injury),
            marker={"color": _INJURIES.get(injury, "#999999"), "opacity": _opacities(marks, choice)},
            customdata=[json.dumps(mark) for mark in marks],
            text=[f"{found.get(kind, 0):,} of {totals[kind]:,}" for kind in kinds],
            textposition="none",
            hovertemplate="%{y}<br>%{fullData.name}: %{x:.1f} %, %{text}<extra></extra>",
        )
    plot.lay_out(barmode="stack", legend={"traceorder": "normal"})
    plot.axis("y", autorange="reversed")
    plot.axis("x", range=[0, 100], ticksuffix=" %", title="% of the people")
    hurt = {
        kind: sum(row["people"] for row in mine if row["person_type"] == kind and row["injury_classification"] in _HURT)
        for kind in kinds
    }
    sure = [kind for kind in kinds if totals[kind] >= LEAST]
    if not sure:
        return plot, f"Of no kind are there {LEAST} people to tell by."
    worst = max(sure, key=lambda kind: hurt[kind] / totals[kind])
    share = f"{hurt[worst] / totals[worst]:.0%} of {totals[worst]:,}"
    return plot, f"Hurt most often: {named('person_type', worst).lower()}, {share}."


def ages(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """Boxes from the lower to the upper quarter, with whiskers from 5 % to 95 %."""
    rows = sorted((row for row in rows if row["known"]), key=lambda row: _badly(row["injury_classification"]))
    plot = Plot()
    for period, mine in _by_period(rows):
        name, colour = _PERIODS[period]
        plot.add(
            "box",
            y=[_short(named("injury_classification", row["injury_classification"])) for row in mine],
            **{
                box: [row[ours] for row in mine]
                for box, ours in {
                    "lowerfence": "p5",
                    "q1": "p25",
                    "median": "p50",
                    "q3": "p75",
                    "upperfence": "p95",
                }.items()
            },
            orientation="h",
            name=name,
            line={"color": colour},
        )
    plot.lay_out(boxmode="group", showlegend=choice.compared)
    plot.axis("y", autorange="reversed")
    plot.axis("x", title="Age: 5 %, quarters, 95 %", rangemode="tozero")
    mine = [row for row in _chosen_period(rows) if row["known"] >= LEAST]
    told = "; ".join(
        f"{named('injury_classification', row['injury_classification']).lower()} {row['p50']:.0f}" for row in mine
    )
    return plot, f"Median age: {told}." if told else f"Nowhere are there {LEAST} people to tell by."


def vehicles(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """Bars of vehicles by type."""
    rows = _top(rows, "vehicle_type", MOST, by="vehicles")
    measure = "per_day" if choice.compared else "vehicles"
    plot = Plot()
    for period, mine in _by_period(rows):
        name, colour = _PERIODS[period]
        values = [row[measure] for row in mine]
        _bars(plot, mine, "vehicle_type", values, choice, name, colour, True, "%{v:,.3~r}")
    _axes(plot, rows, "vehicle_type", True, "Vehicles a day" if choice.compared else "Vehicles")
    plot.lay_out(showlegend=choice.compared)
    sure = [row for row in _chosen_period(rows) if row["known"] >= LEAST]
    if not sure:
        return plot, f"Of no type are there {LEAST} to tell by."
    worst = max(sure, key=lambda row: row["rate"])
    return plot, (
        f"Somebody was hurt most often with: {named('vehicle_type', worst['vehicle_type']).lower()}, "
        f"{worst['rate']:.0%} of {worst['known']:,}."
    )


def places(rows: Sequence[Row], choice: Choice) -> tuple[Plot, str]:
    """The city as squares, the chosen period's."""
    mine = [row for row in _chosen_period(rows) if row["grid_id"] is not None]
    if not mine:
        return Plot(), "No crash with a known place."
    marks = [filters("grid_id", row["grid_id"]) for row in mine]
    plot = Plot()
    plot.add(
        "scatter",
        x=[row["lng"] for row in mine],
        y=[row["lat"] for row in mine],
        mode="markers",
        marker={
            "symbol": "square",
            "size": 5,
            "color": [row["crashes"] for row in mine],
            "colorscale": SCALE,
            "cmin": 0,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": "Crashes"}},
            "opacity": _opacities(marks, choice),
        },
        customdata=[json.dumps(mark) for mark in marks],
        text=[f"{row['crashes']:,} crashes<br>{_percent(row)} with an injury" for row in mine],
        hovertemplate="%{y:.2f}, %{x:.2f}<br>%{text}<extra></extra>",
    )
    # A degree of longitude is three quarters of one of latitude here: the plot is as wide as that makes it.
    plot.lay_out(width=PLACES_WIDTH, autosize=False)
    plot.axis("y", range=[*LATITUDES], ticksuffix="°", zeroline=False)
    plot.axis("x", range=[*LONGITUDES], ticksuffix="°", zeroline=False, nticks=4)
    top = max(mine, key=lambda row: row["crashes"])
    tenth = sorted((row["crashes"] for row in mine), reverse=True)[: max(1, len(mine) // 10)]
    share = sum(tenth) / sum(row["crashes"] for row in mine)
    return plot, (
        f"The busiest tenth of the squares has {share:.0%} of the crashes; most at {top['lat']:.2f}, {top['lng']:.2f}: "
        f"{top['crashes']:,}."
    )


# From nothing to the worst.
_INJURIES: Final = {
    "NO INDICATION OF INJURY": "#5b9bcb",
    "REPORTED, NOT EVIDENT": "#f2cf6b",
    "NONINCAPACITATING INJURY": "#e69f00",
    "INCAPACITATING INJURY": "#c2336b",
    "FATAL": "#7a0f3a",
}
_HURT: Final = tuple(_INJURIES)[1:]


def _badly(injury: str) -> tuple[int, str]:
    return (list(_INJURIES).index(injury) if injury in _INJURIES else len(_INJURIES), injury)


def _bars(
    plot: Plot,
    rows: Sequence[Row],
    key: str,
    values: Sequence[float],
    choice: Choice,
    name: str,
    colour: str,
    sideways: bool,
    value: str,
) -> None:
    places = [_tick(key, row[key]) for row in rows]
    marks = [filters(key, row[key]) for row in rows]
    shown = value.replace("%{v", "%{x" if sideways else "%{y")
    plot.add(
        "bar",
        x=values if sideways else places,
        y=places if sideways else values,
        orientation="h" if sideways else "v",
        name=name,
        marker={"color": colour, "opacity": _opacities(marks, choice), "line": {"width": 0}},
        customdata=[json.dumps(mark) for mark in marks],
        text=[named(key, row[key]) for row in rows],
        textposition="none",
        hovertemplate=f"%{{text}}<br>%{{fullData.name}}: {shown}<extra></extra>",
    )


def _axes(plot: Plot, rows: Sequence[Row], key: str, sideways: bool, title: str) -> None:
    """Names in the order of the rows; numbers from zero."""
    values = list(dict.fromkeys(row[key] for row in rows))
    if key in _AXES:  # a second period may have numbers that the first one lacks
        values.sort(key=lambda value: (value is None, value))
    order = [_tick(key, value) for value in values]
    across: Letter = "y" if sideways else "x"
    along: Letter = "x" if sideways else "y"
    plot.axis(across, type="category", categoryorder="array", categoryarray=order, showgrid=False, title=_AXES.get(key))
    if sideways:
        plot.axis(across, autorange="reversed")
    plot.axis(along, rangemode="tozero", title=title)
    plot.lay_out(legend={"traceorder": "normal"})


def _opacities(marks: Sequence[Mapping[str, Any]], choice: Choice) -> list[float] | float:
    given = choice.query()
    picked = [lit(given, dict(mark)) for mark in marks]
    return [1.0 if one else 0.35 for one in picked] if any(picked) else 1.0


def _by_period(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    found = ((period, [row for row in rows if row["period"] == period]) for period in _PERIODS)
    return [(period, mine) for period, mine in found if mine]


def _chosen_period(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["period"] == "chosen"]


def _top(rows: Sequence[Row], key: str, most: int, by: str = "crashes") -> list[Row]:
    """The rows of the most frequent values of the chosen period."""
    ranked = sorted(_chosen_period(rows) or rows, key=lambda row: -row[by])
    kept = {row[key] for row in ranked[:most]}
    return [row for row in rows if row[key] in kept]


def _most(rows: Sequence[Row], key: str) -> str:
    top = max(rows, key=lambda row: row["crashes"])
    share = top["crashes"] / sum(row["crashes"] for row in rows)
    where = f"at {named(key, top[key])}" if key == "hour" else named(key, top[key]).lower()
    return f"Most crashes: {where}, {top['crashes']:,} or {share:.0%} of those shown."


def _changed(rows: Sequence[Row], key: str) -> str:
    """What differs most between the periods."""
    before = {row[key]: row["per_day"] for row in rows if row["period"] == "compared"}
    mine = {row[key]: row["per_day"] for row in _chosen_period(rows)}
    if not mine or not before:
        return "One of the periods has no crash of the choice."
    most = max(mine | before, key=lambda value: abs(mine.get(value, 0.0) - before.get(value, 0.0)))
    return (
        f"Differs most: {named(key, most)}, {mine.get(most, 0.0):,.1f} a day in the chosen period, "
        f"{before.get(most, 0.0):,.1f} in the compared one."
    )


def _percent(row: Row) -> str:
    if row["rate"] is None:
        return NOT_KNOWN.lower()
    return f"{row['rate']:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def _tick(key: str, value: Any) -> str:
    """What stands at the axis; a number whose meaning stands beside the axis is a number alone."""
    return str(value) if key in _AXES and value is not None else _short(named(key, value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
