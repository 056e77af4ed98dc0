"""The way from a daemon to its hub: through an end of TLS with an authority of its own, and cut in the middle of an apply
for longer than the lease (RUN-2, RUN-3, RUN-12, RUN-15)."""

import pathlib
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import terraform  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402
from support.scripted_builds import ScriptedBuilds  # noqa: E402
from support.tcp_proxy import TcpProxy  # noqa: E402
from support.terraform import Provider  # noqa: E402
from support.terraform_builds import TerraformBuilds  # noqa: E402


class Way(ScriptedBuilds, TerraformBuilds, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="slipway-way-")))

    def setUp(self):
        if not terraform.missing():
            own = self.folder / self.id()
            own.mkdir()
            self.provider = Provider(own)


class Tls(Way):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate, key = cls.folder / "certificate.pem", cls.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
             "-subj", "/CN=a hub", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cls.certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.certificate, key)
        cls.proxy = cls.enterClassContext(TcpProxy(cls.hub.port, tls=context))

    def daemon(self, *options, **more):
        return ProvisionerdOf(self.hub, url=self.proxy.url, options=options, **more)

    def test_builds_go_through_it(self):
        with self.daemon("--ca", self.certificate):
            template, world = self.push(self.hub)
            self.hub.await_completed(self.create(self.hub, template))
        self.assert_made_once(world)

    @unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
    def test_terraform_keeps_its_state_in_the_hub_through_it(self):
        with self.daemon("--ca", self.certificate, provisioners=["terraform"], environment=self.provider.environment()):
            template = self.push_machines()
            workspace, run = self.build(template)
            self.hub.await_completed(run)
        self.assert_made_once_by_terraform(workspace)

    def test_without_the_authority_it_sends_nothing_and_says_why(self):
        daemon = self.daemon()
        self.addCleanup(daemon.__exit__, None, None, None)
        super(ProvisionerdOf, daemon).start()
        wait_until(lambda: "certificate" in daemon.log() or not daemon.is_running(), "it says why")
        self.assertFalse(daemon.has_registered())
        self.assertNotIn(daemon.name, [each["name"] for each in self.hub.get("/v1/daemons").expect(200)["daemons"]])


class Cut(Way):
    """What is cut passes nothing on, and nobody is told."""

    # RUN-3, RUN-15
    def test_a_build_is_finished_by_another_daemon_and_the_first_changes_nothing_when_it_is_back(self):
        with TcpProxy(self.hub.port) as proxy, ProvisionerdOf(self.hub, url=proxy.url) as first:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            proxy.set_silent(True)
            self.open_gate(world)
            with ProvisionerdOf(self.hub):
                # The first goes on, for all it knows, and holds the world until it learns otherwise.
                said = lambda: [line["output"] for line in self.lines(self.hub, job)]  # noqa: E731
                wait_until(lambda: any("waiting for its end" in line for line in said()), "another daemon has it")
                proxy.set_silent(False)
                self.hub.await_completed(run)
            sessions = first.folder / "work" / "sessions"
            wait_until(lambda: not list(sessions.iterdir()), "the first has given it up")
            self.assertIn("JOB_LEASE_LOST", first.log())
            self.assertEqual(self.job(self.hub, job)["attempt"], 2)
            self.assert_made_once(world)
            self.hub.await_completed(self.create(self.hub, template))  # the first is as good as new

    # RUN-12, RUN-15
    @unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
    def test_what_terraform_made_meanwhile_is_in_the_state_when_the_network_is_back(self):
        with TcpProxy(self.hub.port) as proxy, ProvisionerdOf(
            self.hub, url=proxy.url, provisioners=["terraform"], environment=self.provider.environment()
        ) as daemon:
            template = self.push_machines(delay_ms=20_000)
            workspace, run = self.build(template)
            job = self.job_of(self.hub, run)["id"]
            self.await_begun("b")
            proxy.set_silent(True)
            wait_until(lambda: "salvageUntil" in self.job(self.hub, job), "the lease is over, and the state still locked")
            proxy.set_silent(False)
            self.assertEqual(self.hub.await_run(run, patience_s=180)["status"], "completed")
            self.assertEqual(self.job(self.hub, job)["attempt"], 2)
            self.assertIn("JOB_LEASE_LOST", daemon.log())
        self.assert_made_once_by_terraform(workspace)

    # RUN-12, RUN-15: though nobody waited for it any more.
    @unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
    def test_what_terraform_made_in_a_cut_that_was_too_long_is_what_the_next_build_begins_with(self):
        gate = self.provider.folder / "go-on"
        with TcpProxy(self.hub.port) as proxy, ProvisionerdOf(
            self.hub, url=proxy.url, provisioners=["terraform"], environment=self.provider.environment()
        ):
            template = self.push_machines(gate=str(gate), fail="stop-deaf")
            workspace, run = self.build(template)
            self.await_begun("b")
            proxy.set_silent(True)
            run = self.hub.await_run(run, patience_s=180)
            self.assertEqual((run["status"], run["error"]["code"]), ("failed", "PROVISIONER_LOST"))
            gate.touch()
            wait_until(lambda: len(self.provider.world()) == 2, "b is made")
            proxy.set_silent(False)
            wait_until(lambda: self.state_is_the_world(workspace), "the hub knows of it", 180)
            again = self.hub.post(f"/v1/workspaces/{workspace}/start").expect(202)
            self.hub.await_completed(again["run"]["id"])
        self.assert_made_once_by_terraform(workspace)


if __name__ == "__main__":
    unittest.main()
