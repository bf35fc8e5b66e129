"""Each construct of ``$where``: the SQL it becomes, what is bound, and what is refused."""

import pytest

from streams.local.portal.compiler import Compiler
from streams.local.portal.datasets import PEOPLE, SYSTEM_COLUMNS
from streams.local.portal.soql import SoqlError, parse_condition

COLUMNS = SYSTEM_COLUMNS | PEOPLE.columns
AGE = 'TRY_CAST("age" AS DOUBLE)'

CONSTRUCTS = [
    ("age > 30", f"({AGE} > $1)", [30.0]),
    ("age>=-1.5e1", f"({AGE} >= $1)", [-15.0]),
    ("age <> .5", f"({AGE} <> $1)", [0.5]),
    ("age != 1", f"({AGE} <> $1)", [1.0]),
    ("age = '30'", f"({AGE} = $1)", [30.0]),
    ("30 < age", f"($1 < {AGE})", [30.0]),
    ("age < seat_no", f'({AGE} < TRY_CAST("seat_no" AS DOUBLE))', []),
    ("sex = 'F'", '("sex" = $1)', ["F"]),
    ("SEX = 'F'", '("sex" = $1)', ["F"]),
    ("`sex` = 'F'", '("sex" = $1)', ["F"]),
    ("city = 'O''FALLON'", '("city" = $1)', ["O'FALLON"]),
    ("city in ('A', 'B', 'A')", '("city" IN ($1, $2, $1))', ["A", "B"]),
    ("age not in (1, 2)", f"(NOT ({AGE} IN ($1, $2)))", [1.0, 2.0]),
    ("age between 1 and 2", f"({AGE} BETWEEN $1 AND $2)", [1.0, 2.0]),
    ("age not between 1 and 2", f"(NOT ({AGE} BETWEEN $1 AND $2))", [1.0, 2.0]),
    ("city like 'CHI%'", '("city" LIKE $1)', ["CHI%"]),
    ("city NOT LIKE '_'", '(NOT ("city" LIKE $1))', ["_"]),
    ("age is null", '("age" IS NULL)', []),
    ("age IS NOT NULL", '(NOT ("age" IS NULL))', []),
    ("starts_with(upper(city), 'C')", 'starts_with(upper("city"), $1)', ["C"]),
    ("lower(city) = 'c'", '(lower("city") = $1)', ["c"]),
    ("sex='F' or sex='M' or age=1", f'(("sex" = $1) OR ("sex" = $2) OR ({AGE} = $3))', ["F", "M", 1.0]),
    ("sex='F' or sex='M' and age=1", f'(("sex" = $1) OR (("sex" = $2) AND ({AGE} = $3)))', ["F", "M", 1.0]),
    ("(sex='F' or sex='M') and age=1", f'((("sex" = $1) OR ("sex" = $2)) AND ({AGE} = $3))', ["F", "M", 1.0]),
    ("not sex='F' and age=1", f'((NOT ("sex" = $1)) AND ({AGE} = $2))', ["F", 1.0]),
    ("crash_date >= '2024-01-05'", '("crash_date" >= $1)', ["2024-01-05T00:00:00.000"]),
    ("crash_date < '2024-01-05T23:59:59'", '("crash_date" < $1)', ["2024-01-05T23:59:59.000"]),
    (
        "date_trunc_ym(crash_date) = '2024-01-01'",
        "((left(\"crash_date\", 7) || '-01T00:00:00.000') = $1)",
        ["2024-01-01T00:00:00.000"],
    ),
    (":id > 'row-a'", '(":id" > $1)', ["row-a"]),
    (":updated_at > '2024-01-05T01:02:03.004Z'", '(":updated_at" > $1)', ["2024-01-05T01:02:03.004Z"]),
    (":updated_at > '2024-01-05T01:00:00-06:00'", '(":updated_at" > $1)', ["2024-01-05T07:00:00.000Z"]),
    ("(sex = 'F') = true", '(("sex" = $1) = $2)', ["F", True]),
    # Keywords inside names stay names.
    ("injury_classification = 'in'", '("injury_classification" = $1)', ["in"]),
]


@pytest.mark.parametrize(("text", "sql", "bound"), CONSTRUCTS)
def test_a_construct_becomes_sql_with_bound_constants(text: str, sql: str, bound: list) -> None:
    compiler = Compiler(COLUMNS, {})
    assert compiler.condition(parse_condition(text)) == sql
    assert compiler.parameters == bound


REFUSED = [
    ("nonsense = 1", "query.soql.no-such-column"),
    ("age > 'thirty'", "query.soql.type-mismatch"),
    ("city = 5", "query.soql.type-mismatch"),
    ("city in ('A', 5)", "query.soql.type-mismatch"),
    ("age between 1 and 'b'", "query.soql.type-mismatch"),
    ("age like '3%'", "query.soql.type-mismatch"),
    ("upper(age) = 'A'", "query.soql.type-mismatch"),
    ("crash_date > 5", "query.soql.type-mismatch"),
    ("crash_date > 'yesterday'", "query.soql.type-mismatch"),
    ("crash_date > '2024-02-30'", "query.soql.type-mismatch"),
    ("crash_date > '2024-01-05T00:00:00Z'", "query.soql.type-mismatch"),
    (":updated_at > crash_date", "query.soql.type-mismatch"),
    ("age", "query.soql.type-mismatch"),
    ("age and sex = 'F'", "query.soql.type-mismatch"),
    ("upper(city, sex) = 'A'", "query.soql.no-such-function"),
    ("pg_sleep(10)", "query.soql.no-such-function"),
    ("sum(*) > 1", "query.soql.no-such-function"),
    ("age >", "query.compiler.malformed"),
    ("", "query.compiler.malformed"),
    ("age = 'open", "query.compiler.malformed"),
    ("age = 1; drop table people", "query.compiler.malformed"),
    ("age = 1 -- comment", "query.compiler.malformed"),
    ("age == 1", "query.compiler.malformed"),
    ("(age = 1", "query.compiler.malformed"),
    ('"age" = 1', "query.compiler.malformed"),
    ("age in ()", "query.compiler.malformed"),
    ("age = 1\nor\n= 2", "query.compiler.malformed"),
    ('`age" or "sex` = 1', "query.soql.no-such-column"),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_is_refused_says_why(text: str, code: str) -> None:
    with pytest.raises(SoqlError) as refusal:
        Compiler(COLUMNS, {}).condition(parse_condition(text))
    assert refusal.value.code == code


def test_a_parse_error_tells_the_place() -> None:
    with pytest.raises(SoqlError, match=r"at line 1 character 7: unexpected `\)'"):
        parse_condition("age = )")
    with pytest.raises(SoqlError, match=r"at line 1 character 6: unexpected end of input"):
        parse_condition("age =")
