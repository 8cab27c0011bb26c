"""One writer per table: a file lock that the kernel frees with its holder."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from affinity.core.errors import LeaseHeld
from affinity.io.root import Root
from affinity.tables.spec import ModelSpec, TableSpec


@contextmanager
def leases(root: Root, specs: Sequence[TableSpec | ModelSpec], *, wait_secs: float = 0) -> Iterator[None]:
    """Hold the writer lease of every table or model, taken in name order so that two runs cannot wait for each other.

    With ``store.lease = "external"`` the scheduler vouches for one writer at a time and no file is locked.

    Raises:
        LeaseHeld: another process holds one of them and did not give it up within ``wait_secs``.
    """
    with ExitStack() as held:
        if root.lease == "file":
            for spec in sorted(specs, key=lambda spec: spec.full_name):
                lock = FileLock(root.lock(spec))
                lock_folder = root.lock(spec).parent
                lock_folder.mkdir(parents=True, exist_ok=True)
                try:
                    held.enter_context(lock.acquire(timeout=wait_secs))
                except Timeout:
                    raise LeaseHeld(
                        f"Another run is writing {spec.full_name} (lease {root.lock(spec)}). Nothing was changed; "
                        "run the same command again when it has ended, or with --wait SECONDS."
                    ) from None
        yield
