"""A PostgreSQL server of our own for a benchmark: temporary folder, unix socket, default durability."""

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile

PROGRAMS = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""])[-1]


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("postgres")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "bench")
        options = f"-k {folder} -c listen_addresses="
        self._run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")

    def new_database(self, *_):
        self.count += 1
        name = f"bench{self.count}"
        self._run("createdb", "-h", self.folder, "-U", "bench", name)
        return f"postgres:///{name}?host={self.folder}&user=bench"

    def stop(self):
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def _run(self, program, *words):
        subprocess.run([f"{PROGRAMS}/{program}", *words], check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)


@contextlib.contextmanager
def server():
    if not PROGRAMS:
        raise SystemExit("PostgreSQL is missing: tools/install-packages --test")
    folder = tempfile.mkdtemp(prefix="slipway-bench-")
    try:
        running = Server(folder)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
