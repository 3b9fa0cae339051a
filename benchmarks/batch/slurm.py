"""A Slurm of this machine alone, for as long as a benchmark needs it.

Needs root, and Debian's packages ``slurm-wlm`` and ``munge``.  Nothing of an
installed Slurm is touched: key, configuration, state and logs are in a folder
of its own, ports are free ones, and all of it is gone afterwards.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ("Slurm", "run_slurm")

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "scontrol")
_PATIENCE = 60.0
_PARTITION = "debug"
# One node with the cores of this machine. Nothing is asked of the kernel that a container may not have.
_CONFIGURATION = """
ClusterName=lamella
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A Slurm that is up."""

    configuration: Path
    partition: str = _PARTITION

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which its commands find it."""
        return {"SLURM_CONF": str(self.configuration)}

    def command(self, *words: object) -> str:
        """Run one of its commands, and return what it prints."""
        done = subprocess.run(
            [str(word) for word in words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout.strip()


@contextlib.contextmanager
def run_slurm(folder: Path, cores: int) -> Iterator[Slurm]:
    """Start a Slurm with one node, and take it down with all its jobs.

    Parameters
    ----------
    folder
        Empty folder of its files; its path must be short, because a socket is in it.
    cores
        Number of cores that the node says it has.
    """
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        raise RuntimeError(f"It needs root, and the Debian packages slurm-wlm and munge; missing: {missing}.")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    slurm = Slurm(folder / "slurm.conf")
    slurm.configuration.write_text(
        _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            cores=cores,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            partition=slurm.partition,
            controller_port=_free_port(),
            node_port=_free_port(),
        )
    )
    with contextlib.ExitStack() as daemons:
        socket_path = folder / "munge.socket"
        munge = (
            "munged", "--foreground", "--force", f"--socket={socket_path}", f"--key-file={key}",
            f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/seed",
        )  # fmt: skip
        daemons.enter_context(_daemon(folder, slurm, *munge))
        _wait_for(socket_path.exists, "munged", folder)
        daemons.enter_context(_daemon(folder, slurm, "slurmctld", "-D", "-f", slurm.configuration))
        daemons.enter_context(_daemon(folder, slurm, "slurmd", "-D", "-f", slurm.configuration))
        _wait_for(lambda: _is_idle(slurm), "slurmctld", folder)
        try:
            yield slurm
        finally:
            with contextlib.suppress(RuntimeError):
                slurm.command("scancel", f"--partition={slurm.partition}", "--signal=KILL")
                _wait_for(lambda: not slurm.command("squeue", "--noheader"), "slurmctld", folder)


def _is_idle(slurm: Slurm) -> bool:
    try:
        return slurm.command("sinfo", "--noheader", "--format=%t") == "idle"
    except RuntimeError:  # it is not up yet
        return False


@contextlib.contextmanager
def _daemon(folder: Path, slurm: Slurm, *words: object) -> Iterator[None]:
    """Run a daemon in the foreground of its own process group, with its output in a file."""
    with (folder / f"{words[0]}.out").open("wb") as log:
        daemon = subprocess.Popen(
            [str(word) for word in words],
            env={**os.environ, **slurm.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_for(condition: Callable[[], object], daemon: str, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(
                path.read_text(errors="replace")[-3000:] for path in sorted(folder.glob("*.out"))
            )
            raise RuntimeError(f"{daemon} does not come up, or does not end its jobs:\n{logs}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
