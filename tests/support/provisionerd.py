"""A real provisioner daemon for a test: `slipway provisionerd` with a folder of its own; started, stopped, killed.

Whatever it starts carries its mark in the environment, so that what outlives it can be found.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import uuid

from .hub import PATIENCE_S, SLIPWAY, wait_until

MARK = "TEST_PROVISIONERD"


class Provisionerd:
    """`hub_url` and `key`: where it takes its jobs, and what it shows. `options`: further words. It is started in its
    folder."""

    def __init__(self, folder, name, hub_url, key, runners=1, tags=None, options=(), environment=None, work=None):
        self.name = name
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        self.log_file = self.folder / "log"
        self.tags = tags or {}
        self.mark = f"{name}-{uuid.uuid4()}"
        self.process = None
        key_file = self.folder / "key"
        key_file.write_text(key)
        tag_words = [word for tag in self.tags.items() for word in ("--tag", "=".join(tag))]
        self.words = [SLIPWAY, "provisionerd", "--hub", hub_url, "--key-file", key_file, "--name", name, "--runners",
                      str(runners), "--work", work or self.folder / "work", *tag_words, *options]  # fmt: skip
        own = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.environment = {**own, **(environment or {}), MARK: self.mark}

    def start(self):
        assert not self.is_running(), f"{self.name} already runs"
        self.log_began = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env=self.environment, cwd=self.folder)  # fmt: skip

    def has_registered(self):
        """This process: before that, a SIGTERM may meet a program that does not know what to do with it."""
        return b" registered daemon=" in self.log_file.read_bytes()[self.log_began:]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL to the daemon alone: what it started is left to itself."""
        self.process.kill()
        self.process.wait()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def await_end(self, patience_s=PATIENCE_S):
        """Gives the exit code."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.log()}") from None

    def stop(self, patience_s=PATIENCE_S):
        """SIGTERM: it finishes what it does. Gives the exit code."""
        self.signal()
        return self.await_end(patience_s)

    def close(self):
        if self.is_running():
            self.kill()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # what a daemon has started may end with it
                os.kill(pid, 9)

    def processes(self):
        """Of all that it ever started and that still lives, and itself: pid and command."""
        wanted = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
            except OSError:
                continue  # it has gone
        return found

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class ProvisionerdOf(Provisionerd):
    """One with a key of its own at `hub`, which knows it already:

    with ProvisionerdOf(hub) as daemon: …

    `url`: by which way it goes there. `work`: its folder, if that is to be a certain one.
    """

    def __init__(self, hub, provisioners=("scripted",), options=(), name=None, url=None, environment=None, runners=1, work=None):
        self.home = tempfile.mkdtemp(prefix="slipway-daemon-")
        name = name or f"daemon-{uuid.uuid4().hex[:8]}"
        key = hub.post("/v1/daemon-keys", {"name": name}).expect(201)["key"]
        words = [word for each in provisioners for word in ("--provisioner", each)]
        super().__init__(self.home, name, url or f"http://127.0.0.1:{hub.port}", key, runners=runners,
                         options=[*words, *map(str, options)], environment=environment, work=work)  # fmt: skip

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        self.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        super().start()
        wait_until(self._is_up, f"{self.name} is registered")

    def _is_up(self):
        if not self.is_running() and not self.has_registered():
            raise AssertionError(f"{self.name} ended:\n{self.log()}")
        return self.has_registered()
