"""Runs that ended long ago leave the store for the archive, and nothing else does."""

import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402


class Retention(unittest.TestCase):
    def test_an_old_run_is_archived_with_its_journal_and_then_gone(self):
        with tempfile.TemporaryDirectory() as folder:
            with Hub(options=["--keep-runs", "1s", "--archive-runs", folder]) as hub:
                accepted = hub.post("/v1/workspaces", {"name": "kept"}).expect(202)
                old = accepted["run"]["id"]
                wait_until(lambda: hub.get(f"/v1/workflows/runs/{old}").status == 404, "the old run is removed")
                (file,) = pathlib.Path(folder).iterdir()
                self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
                lines = [json.loads(line) for line in file.read_text().splitlines()]
                (line,) = [line for line in lines if line["run"]["runId"] == old]
                self.assertEqual(line["run"]["status"], "completed")
                self.assertEqual(line["events"][-1]["type"], "run_completed")
                self.assertEqual([event["seq"] for event in line["events"]], list(range(1, len(line["events"]) + 1)))
                self.assertEqual(hub.find_workspace("kept")["status"], "READY")


if __name__ == "__main__":
    unittest.main()
