"""``python -m streams.local.portal`` as a process: it serves, lives, stops, and says in one line what is wrong."""

import asyncio
import json
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

COMMAND = (sys.executable, "-m", "streams.local.portal")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[ClientSession]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(*COMMAND, "--port", str(port), *arguments)
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(120):
            while process.returncode is None:
                try:
                    async with session.get("/api/views/85ca-t3if.json"):
                        break
                except ClientError:
                    await asyncio.sleep(0.1)
            yield session
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def rows(session: ClientSession, dataset: str, **clauses: str) -> list[dict]:
    async with session.get(f"/resource/{dataset}.json", params={f"${k}": v for k, v in clauses.items()}) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_a_living_city_gains_crashes_then_their_people_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    city = ("--data-dir", str(tmp_path), "--crashes", "60", "--days", "2", "--speed", "43200")
    newest = {"select": ":updated_at", "order": ":updated_at desc", "limit": "1"}
    async with served(*city) as session:
        before = int((await rows(session, "85ca-t3if", select="count(*)"))[0]["count"])
        (people,) = await rows(session, "u6pd-qa9d", select="count(*)")
        async with asyncio.timeout(60):
            while int((await rows(session, "85ca-t3if", select="count(*)"))[0]["count"]) < before + 50:
                await asyncio.sleep(0.1)
            while (await rows(session, "u6pd-qa9d", select="count(*)"))[0] == people:
                await asyncio.sleep(0.1)
        (last,) = await rows(session, "85ca-t3if", **newest)
    async with served(*city) as session:
        (later,) = await rows(session, "85ca-t3if", **newest)
        assert later[":updated_at"] >= last[":updated_at"]
        assert int((await rows(session, "85ca-t3if", select="count(*)"))[0]["count"]) > before + 40


async def test_requests_go_wrong_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    city = ("--data-dir", str(tmp_path), "--crashes", "10", "--days", "1", "--faults", "7:0.5")
    outcomes: Counter[str] = Counter()
    async with served(*city) as session:
        for _ in range(40):
            try:
                async with session.get("/resource/85ca-t3if.json") as answer:
                    await answer.json(content_type=None)
                    outcomes[str(answer.status)] += 1
            except (ClientError, ValueError) as error:
                outcomes[type(error).__name__] += 1
    # Those that only drip or are stale are 200 as well. Which ones fail depends on how often the start was awaited.
    assert 10 < outcomes["200"] < 36
    assert len(outcomes) > 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rows", "{tmp}/nowhere"], "nowhere/crashes.json: No such file"),
        (["--rows", "{tmp}"], "crashes.json: no JSON"),
        (["--rows", "{good}", "--speed", "1"], "given rows do not live"),
        (["--rows", "{good}", "--port", "{taken}"], "cannot listen on 127.0.0.1:{taken}"),
        (["--rows", "{good}", "--data-dir", "/dev/null/data"], "/dev/null/data"),
        (["--rows", "{good}", "--faults", "often"], "'often' is not SEED:RATE"),
        (["--start", "2024-02-01"], "--start and --end go together"),
        (["--start", "2024-02-01", "--end", "2024-02-01"], "is not before"),
        (["--start", "1999-01-01", "--end", "2000-01-01"], "no history from 1999-01-01"),
        (["--start", "tomorrow"], "--start"),
    ],
)
async def test_a_wrong_argument_is_told_in_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    good = tmp_path / "good"
    good.mkdir()
    for name in ("crashes", "vehicles", "people"):
        (good / f"{name}.json").write_text(json.dumps([]))
    (tmp_path / "crashes.json").write_text("nonsense")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = str(listener.getsockname()[1])
        filled = [argument.format(tmp=tmp_path, good=good, taken=taken) for argument in arguments]
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("--port", str(free_port()), "--data-dir", str(tmp_path / "data"), *filled),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
    assert process.returncode == 2
    assert complaint.format(taken=taken) in errors.decode().splitlines()[-1]
    assert "Traceback" not in errors.decode()
