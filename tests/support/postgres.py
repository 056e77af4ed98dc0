"""PostgreSQL servers of a test's own: temporary folders, free ports, gone afterwards. One alone, or a primary with a
synchronous standby that takes over when told to."""

import glob
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from support.hub import free_port, wait_until

USER = "slipway"
DATABASE = "slipway"


def _programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise AssertionError("PostgreSQL is missing: tools/install-packages --test")
    return found[-1]


class Server:
    """One server; its folder is `folder`/data. It listens on 127.0.0.1 and on a socket in `folder`. What the kernel has
    taken survives the death of a server, so it need not sync: only a crash of the machine would tell the difference."""

    def __init__(self, settings=()):
        self.programs = _programs()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-postgres-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = ["fsync=off", "max_connections=60", "shared_buffers=32MB", "listen_addresses=127.0.0.1",
                         f"unix_socket_directories={self.folder}", f"port={self.port}", *settings]  # fmt: skip
        self.user = {}
        if os.geteuid() == 0:  # it refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @property
    def url(self):
        return f"postgres://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def initialize(self):
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", USER, "--locale=C", "-E", "UTF8", "--no-sync",
                 "--no-instructions")  # fmt: skip

    def start(self):
        options = " ".join(f"-c {setting}" for setting in self.settings)
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        """As a crash: connections break, what was not committed is gone."""
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def is_running(self):
        return (self.data / "postmaster.pid").exists()

    def close(self):
        if self.is_running():
            subprocess.run([f"{self.programs}/pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd="/", **self.user)  # fmt: skip
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program, *words):
        """Runs a program of PostgreSQL as its user; what it says goes to the file `output` in the folder."""
        with open(self.folder / "output", "ab") as output:
            subprocess.run([f"{self.programs}/{program}", *map(str, words)], check=True, stdout=output, stderr=output,
                           stdin=subprocess.DEVNULL, cwd="/", **self.user)  # fmt: skip

    def query(self, sql, database=DATABASE, patience_s=30):
        """Rows of the answer as dictionaries. A statement that gives none: `execute`."""
        text = self.execute(f"SELECT coalesce(json_agg(rows), '[]') FROM ({sql}) AS rows", database, patience_s)
        return json.loads(text)

    def execute(self, sql, database=DATABASE, patience_s=30):
        """Several statements at once are one transaction. Raises CalledProcessError or TimeoutExpired."""
        done = subprocess.run(
            [f"{self.programs}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
             "-p", str(self.port), "-U", USER, "-d", database, "-c", sql],
            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=patience_s, cwd="/",
        )  # fmt: skip
        return done.stdout


class Postgres(Server):
    """One server with an empty database, started."""

    def __init__(self):
        super().__init__()
        try:
            self.initialize()
            self.start()
            self.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
        except BaseException:
            self.close()
            raise


class PostgresPair:
    """A primary and a standby without which nothing is committed: whatever was acknowledged is on both.

    `fail_over` kills the primary, promotes the standby, and makes a new standby out of the old primary's place."""

    SETTINGS = ("wal_level=replica", "max_wal_senders=10", "hot_standby=on", "wal_sender_timeout=10s",
                "max_wal_size=256MB", "synchronous_commit=on", "synchronous_standby_names=*")  # fmt: skip

    def __init__(self):
        self.primary = Server(self.SETTINGS)
        self.standby = Server(self.SETTINGS)
        try:
            self.primary.initialize()
            # Until there is a standby, nothing could be committed.
            alone = Server.start
            self.primary.settings.append("synchronous_standby_names=")
            alone(self.primary)
            self.primary.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
            self.primary.stop()
            self.primary.settings.pop()
            self.primary.start()
            self.add_standby()
        except BaseException:
            self.close()
            raise

    def add_standby(self):
        """Makes the standby anew from the primary; returns when commits wait for it."""
        shutil.rmtree(self.standby.data, ignore_errors=True)
        self.standby.run("pg_basebackup", "-h", self.primary.folder, "-p", self.primary.port, "-U", USER,
                         "-D", self.standby.data, "-R", "-X", "stream", "-c", "fast", "--no-sync")  # fmt: skip
        self.standby.start()
        wait_until(self.is_synchronous, "the standby follows")

    def is_synchronous(self):
        rows = self.primary.query("SELECT sync_state FROM pg_stat_replication", database="postgres")
        return any(row["sync_state"] == "sync" for row in rows)

    def fail_over(self, on_promoted):
        """`on_promoted(server)` is called when the new primary takes writes, before it has a standby."""
        self.primary.stop()
        self.primary, self.standby = self.standby, self.primary
        self.primary.run("pg_ctl", "-D", self.primary.data, "-w", "promote")
        on_promoted(self.primary)
        self.add_standby()

    def close(self):
        self.standby.close()
        self.primary.close()
