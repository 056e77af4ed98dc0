"""Networks of a test's own, without a way out: what is cut here is really cut, and nothing can reach anything else."""

import ctypes
import os
import shutil
import subprocess

from support.hub import wait_until

CLONE_NEWNET = 0x40000000


def _ip(*words, inside=()):
    subprocess.run([*inside, "ip", *words], check=True, stdin=subprocess.DEVNULL)


def enter_own_network():
    """Puts this thread, and every process and thread that it starts from now on, into a network of its own that has only
    a loopback. Answers whether that is possible here. To be called before any thread is started."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    _ip("link", "set", "lo", "up")
    return True


class Cell:
    """A network of its own below the test's, joined to it by one link that can be cut. `number`: 0 to 60."""

    def __init__(self, number):
        self.link = f"cell{number}"
        self.outer_address = f"192.0.2.{4 * number + 1}"
        self.inner_address = f"192.0.2.{4 * number + 2}"
        # The network lives as long as a process in it.
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.enter = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self):
        ours = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != ours, "the cell is apart")
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "out", "netns", str(self.holder.pid))
        _ip("address", "add", f"{self.outer_address}/30", "dev", self.link)
        _ip("link", "set", self.link, "up")
        _ip("link", "set", "lo", "up", inside=self.enter)
        _ip("address", "add", f"{self.inner_address}/30", "dev", "out", inside=self.enter)
        _ip("link", "set", "out", "up", inside=self.enter)

    def cut(self):
        _ip("link", "set", self.link, "down")

    def mend(self):
        _ip("link", "set", self.link, "up")

    def close(self):
        self.holder.kill()
        self.holder.wait()
