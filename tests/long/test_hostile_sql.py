"""A thousand hostile questions over the API: each is refused or cut off, and meanwhile everybody else is answered."""

import asyncio
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import aiohttp
import pytest

from tests.integration.webapp.sample import write_sample
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from tests.unit.gold.test_guard import ATTACKS

# As it is, hidden behind something harmless, and in other dress.
DRESSES = (
    "{sql}",
    "select 1; {sql}",
    "with a as ({sql}) select * from a",
    "select * from ({sql})",
    "/* select */ {sql} -- select",
    "select (select count(*) from ({sql}))",
    "  \n\t{upper}",
    "explain {sql}",
    "(({sql}))",
    "select 1 union all {sql}",
    "{sql};;",
)
ENDLESS = (
    "select sum(range) from range(1000000000000)",
    "with recursive a as (select 1 x union all select x + 1 from a) select count(*) from a",
    "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3",
    "from range(1000000000000) where range < 0",
    "select count(*) from crashes a, crashes b, crashes c where a.hour + b.hour + c.hour = -1",
    "select max(md5(a.range::varchar || b.range::varchar)) from range(1000000) a, range(1000000) b",
)
HUGE = (
    "select list(range) from range(1000000000)",
    "with recursive a as (select 'x' s, 0 n union all select s || s, n + 1 from a where n < 40) from a",
    "select a.*, b.* from people a, people b",
    "select string_agg(a.crash_record_id, '') from crashes a, crashes b",
)
HARMLESS = {"-- only a comment", ";"}  # in some dress, a read
OTHERS = "select hour, count(*) as crashes from crashes group by hour order by hour"


def hostile(secret: Path) -> list[str]:
    attacks = [attack.replace("{secret}", str(secret)) for attack in ATTACKS if attack not in HARMLESS]
    dressed = [dress.format(sql=sql, upper=sql.upper()) for sql, dress in product(attacks, DRESSES)]
    return [*dressed[: 1000 - len(ENDLESS) - len(HUGE)], *ENDLESS, *HUGE]


@pytest.mark.timeout(900)
async def test_hostile_sql_is_refused_or_cut_off_and_holds_nobody_up(tmp_path: Path) -> None:
    gold, secret = tmp_path / "gold.duckdb", tmp_path / "secret.csv"
    write_sample(gold)
    secret.write_text("a,b\n1,hidden\n")
    questions = hostile(secret)
    assert len(questions) == 1000
    async with (
        serve_gold(gold) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port, api_reads=1_000_000), Outbox()) as url,
        aiohttp.ClientSession(url) as api,
    ):
        before = await asked(api, "/api/gold/status", {})
        expected = await asked(api, "/api/explore/hours", {})
        gate = asyncio.Semaphore(8)

        async def attack(sql: str) -> tuple[str, int, str]:
            async with gate, api.get("/api/gold/query", params={"sql": sql, "limit": "1000"}) as answer:
                return sql, answer.status, await answer.text()

        attacking = asyncio.gather(*map(attack, questions))
        answered = 0
        while not attacking.done():
            # Another question each time: what is kept is no witness.
            first = date(2025, 1, 1) - timedelta(days=answered)
            assert (await asked(api, "/api/explore/hours", {"from": first.isoformat()}))[1]["rows"]
            answered += 1
            await asyncio.sleep(0.2)
        results = await attacking
        allowed = [(sql, text[:200]) for sql, status, text in results if status == 200 and not limited(sql)]
        assert allowed == []
        assert [sql for sql, status, _ in results if status not in (200, 400, 422, 503)] == []
        assert [sql for sql, _, text in results if "hidden" in text] == []
        assert answered > 10
        after = await asked(api, "/api/gold/status", {})
        assert after[1]["rows"] == before[1]["rows"]
        assert (await asked(api, "/api/explore/hours", {}))[1] == expected[1]
    assert secret.read_text() == "a,b\n1,hidden\n"


def limited(sql: str) -> bool:
    """Whether the answer may be its first thousand rows, the rest of which is never computed."""
    return sql in HUGE


async def asked(api: aiohttp.ClientSession, path: str, query: dict[str, str]) -> tuple[int, dict]:
    async with api.get(path, params=query) as answer:
        assert answer.status == 200, await answer.text()
        return answer.status, await answer.json()
