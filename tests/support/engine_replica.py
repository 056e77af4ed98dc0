"""One replica of the engine as a process that can be killed, paused, cut off and started again (tests/chaos/engine)."""

import contextlib
import os
import pathlib
import queue
import signal
import subprocess
import threading

from support.hub import ROOT

ENGINE = pathlib.Path(os.environ.get("SLIPWAY_CHAOS_ENGINE", ROOT / "build/debug/tests/chaos/chaos_engine")).resolve()


class EngineReplica:
    """`url` of its database, `effects` the path of the outside's socket, `enter` words that put a program where it lives.
    Each start is a life with a name of its own. Asking is for any thread, everything else for one."""

    def __init__(self, name, url, effects, folder, enter=()):
        self.name = name
        self.url = url
        self.effects = effects
        self.enter = list(enter)
        self.log_file = folder / f"{name}.log"
        self.lives = 0
        self.life = None
        self.process = None
        self.paused = False
        self._waiting = {}  # the subject of a question: where its answer goes
        self._lock = threading.Lock()

    def start(self):
        assert not self.is_running()
        self.lives += 1
        self.life = f"{self.name}.{self.lives}"
        self.paused = False
        with open(self.log_file, "ab") as log:
            log.write(f"---- {self.life}\n".encode())
            log.flush()
            process = subprocess.Popen(
                [*self.enter, ENGINE, "run", self.url, self.effects, self.life],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        with self._lock:
            if self.process:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()
            self.process = process
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def ended_by_itself(self):
        """It should be there and is not: the caller starts it again, as a supervisor does."""
        return self.process is not None and self.process.poll() is not None

    def pause(self):
        self.paused = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.paused = False
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self, patience_s):
        """Hands over and ends; gives the exit code, or None if it had to be killed."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def log_tail(self):
        return self.log_file.read_text(errors="replace")[-2000:] if self.log_file.exists() else ""

    def ask(self, question, subject, patience_s):
        """The answer's words, or None if there was none in time. `subject` is the word by which the answer is known."""
        answers = queue.SimpleQueue()
        with self._lock:
            self._waiting[subject] = answers
            process = self.process
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            return answers.get(timeout=patience_s)
        except (OSError, ValueError, AttributeError, queue.Empty):
            return None
        finally:
            with self._lock:
                self._waiting.pop(subject, None)

    def _listen(self, process):
        for line in process.stdout:
            words = line.split()
            with open(self.log_file, "a") as log:
                if words[0] not in ("started", "cancelling"):
                    log.write(line)
            subject = words[0] if words[0] == "statistics" else words[1] if len(words) > 1 else None
            with self._lock:
                waiting = self._waiting.get(subject)
            if waiting:
                waiting.put(words)
        process.stdout.close()
        process.wait()
