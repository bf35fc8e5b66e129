"""Models come by themselves and on request, and every crash has a score; nobody's training is lost or done twice."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.running import Running, crash_stream

SCORED = "select count(*) = 2 * (select count(*) from crashes) from scores join training_jobs using (model_version)"


@pytest.mark.timeout(400)
def test_models_are_trained_by_themselves_on_request_and_not_when_cancelled(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    def train(*arguments: str) -> str:
        done = crash_stream("train", "--data-dir", str(data_dir), *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with Running(data_dir, "--portal", "simulated", "--portal-crashes", "4500", since="all") as service:
        service.wait_until("select count(*) = 2 from training_jobs where state = 'finished' and promoted")
        (backfill,) = service.ask("select finished_at from runs where kind = 'first-start'")
        (first,) = service.ask("select min(requested_at) as requested_at from training_jobs")
        assert first["requested_at"] - backfill["finished_at"] < timedelta(seconds=20)
        assert service.ask("select request_id, target from training_jobs order by target") == [
            {"request_id": "first-injury-1", "target": "injury"},
            {"request_id": "first-injury_severe-1", "target": "injury_severe"},
        ]
        service.wait_until(SCORED)

        shown = train("--algorithm", "forest", "--recall", "0.8", "--wait", "--request-id", "mine")
        assert "ROC-AUC" in shown
        assert "finished: injury-report-forest-" in shown

        # It begins again where its trainer is killed, under the same name, and ends where somebody gives it up.
        train("--search-seconds", "600", "--request-id", "slow")
        service.wait_until("select count(*) > 0 from training_jobs where request_id = 'slow' and stage = 'search'")
        (before,) = service.ask("select started_at from training_jobs where request_id = 'slow'")
        service.kill("trainer")
        service.wait_until(
            "select count(*) > 0 from training_jobs where request_id = 'slow' and started_at > $before::timestamp",
            before=str(before["started_at"]),
        )
        train("--cancel", "slow")
        service.wait_until("select count(*) > 0 from training_jobs where request_id = 'slow' and state = 'cancelled'")
        states = service.ask("select state, count(*) as jobs from training_jobs group by all order by all")
        assert states == [{"state": "cancelled", "jobs": 1}, {"state": "finished", "jobs": 3}]
        assert service.ask("select * from dead_letters") == []
