"""What the kernel and the disk say about the sandboxes of one hub, whatever the hub says."""

import os
import pathlib

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def _processes():
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            yield int(entry.name)


def _read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""  # it ended while we looked


def _open_files(pid):
    """Where its descriptors lead to. A sandbox's helpers name its folder nowhere else."""
    paths = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            paths.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    except OSError:
        pass  # it ended while we looked
    return "\n".join(paths)


def _pid_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _is_zombie(pid):
    return _read(pid, "stat").rpartition(")")[2].split()[:1] in ([], ["Z"], ["X"])


class Machines:
    """Looks at the sandboxes whose folders are anywhere below `data`."""

    def __init__(self, data):
        self.data = pathlib.Path(data).resolve()
        self.own_namespace = _pid_namespace(os.getpid())

    def folders(self):
        """Names of the machines that have a folder: those with a home in it."""
        return sorted(path.parent.name for path in self.data.glob("**/home") if self._is_machine(path.parent))

    @staticmethod
    def _is_machine(folder):
        return (folder / "machine.json").exists() or (folder / "launch.json").exists()

    def processes(self):
        """Every living process that has to do with something below `data`, but hubs: {pid: what it is}."""
        needle = f"{self.data}/"
        found = {}
        for pid in _processes():
            command = _read(pid, "cmdline").replace("\0", " ").strip()
            if pid == os.getpid() or " serve --data " in command or _is_zombie(pid):
                continue
            files = _open_files(pid)
            if any(needle in text for text in (f"{command}/", files, _read(pid, "mountinfo"))):
                machines = {line.removeprefix(needle) for line in files.splitlines() if line.startswith(needle)}
                found[pid] = f"{command} {' '.join(sorted(machines))}".strip()
        return found

    def sandboxes(self):
        """{machine: set of pid namespaces}: each namespace is one running sandbox."""
        found = {}
        names = self.folders()
        for pid in self.processes():
            namespace = _pid_namespace(pid)
            if namespace in (None, self.own_namespace):
                continue  # the sandbox's parent or its network, which live outside of it
            mounts = _read(pid, "mountinfo")
            for name in names:
                if f"/{name}/home " in mounts:
                    found.setdefault(name, set()).add(namespace)
        return found

    @staticmethod
    def cgroups(name):
        """Control groups that belong to this machine."""
        return [path for path, folders, _ in os.walk(CGROUPS) if os.path.basename(path).startswith(name)]
