"""What is special about the embedded store: its ports, its disk, its manners."""

import asyncio
from pathlib import Path

import pytest

from tests.embedded_s3 import embedded_store


def listening(pid: int) -> set[str]:
    """Local addresses, in the kernel's hexadecimal, on which a process listens."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].split(":")[0])
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="asks Linux who listens where")
async def test_a_run_is_modest(tmp_path: Path) -> None:
    """Loopback only, little memory, little disk; also in a directory deeper than a socket's path may be."""
    data_dir = tmp_path / "/".join(["a-directory-of-some-depth"] * 8)
    assert len(str(data_dir)) > 200
    async with embedded_store(data_dir) as store, store.client() as objects:
        await objects.ensure_buckets(["bronze", "silver", "models"])
        await asyncio.gather(*(objects.put("bronze", str(n), bytes(1000)) for n in range(50)))
        for bucket in ("silver", "models"):
            await objects.put(bucket, "one", b"1")

        assert listening(store.pid) == {"0100007F"}
        status = Path(f"/proc/{store.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        assert resident < 250, f"{resident:.0f} MB"
        on_disk = sum(file.stat().st_blocks * 512 for file in data_dir.rglob("*") if file.is_file())
        assert on_disk < 5 * 2**20
        command = Path(f"/proc/{store.pid}/cmdline").read_text().split("\0")
        assert "-master.telemetry=false" in command
        assert not any(store.secret_key in word for word in command)  # anybody may read it there
