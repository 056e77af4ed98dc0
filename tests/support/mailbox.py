"""A mail server for tests: aiosmtpd on a free port of 127.0.0.1, with STARTTLS, AUTH, and faults on demand.

    with Mailbox() as mailbox:
        …  # url = smtp://127.0.0.1:PORT is mailbox.url
        mailbox.fail_next(451)
        message = mailbox.wait_for(1)[0]
        message.parsed["Subject"], message.text, message.html

As a program it is a mailbox for tests in other languages: `mailbox.py [--tls starttls|implicit] [--user NAME:PASSWORD]
[--certificate-for HOST] [--fault FAULT]…` prints one line of JSON when it listens, and one for each message; it ends
with its standard input.

Needs the package python3-aiosmtpd, and openssl for certificates.
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

PATIENCE_S = 60

# What a test wants to go wrong is no news.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="aiosmtpd")

# What a mailbox can be told to do to the next mail; each is done once, in the order in which they were told.
STAGES = ("connect", "auth", "mail", "rcpt", "data")
CUTS = ("cut-in-data", "cut-after-data", "hang")


class Message:
    def __init__(self, envelope):
        self.sender = envelope.mail_from
        self.recipients = envelope.rcpt_tos
        self.raw = envelope.original_content
        self.parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        self.text = self._part("plain")
        self.html = self._part("html")

    def _part(self, kind):
        part = self.parsed.get_body(preferencelist=(kind,))
        return part.get_content().replace("\r\n", "\n") if part else None

    def defects(self):
        """What a strict reader finds wrong with it."""
        return [str(defect) for part in self.parsed.walk() for defect in part.defects] + [
            f"{name}: {defect}" for part in self.parsed.walk() for name, value in part.items() for defect in value.defects
        ]

    def as_json(self):
        return {
            "sender": self.sender, "recipients": self.recipients, "raw": self.raw.decode("latin-1"),
            "headers": {name: str(value) for name, value in self.parsed.items()},
            "text": self.text, "html": self.html, "type": self.parsed.get_content_type(), "defects": self.defects(),
        }  # fmt: skip


class _Server(SMTP):
    """One connection, with the faults of its mailbox."""

    def __init__(self, mailbox, **options):
        super().__init__(mailbox, **options)
        self._mailbox = mailbox

    async def _handle_client(self):
        if refused := self._mailbox.take("connect"):
            await self.push(refused)
            self.transport.close()
            return
        if self._mailbox.take("hang"):
            await asyncio.sleep(PATIENCE_S)
        await super()._handle_client()

    async def smtp_MAIL(self, arg):  # noqa: N802
        if refused := self._mailbox.take("mail"):
            await self.push(refused)
        else:
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):  # noqa: N802
        if refused := self._mailbox.take("rcpt"):
            await self.push(refused)
        else:
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):  # noqa: N802
        if self._mailbox.take("cut-in-data"):
            await self.push("354 go on")
            await self._reader.read(100)
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class Mailbox:
    """`tls`: None, "starttls" or "implicit". `user`: (name, password), which then must be given."""

    def __init__(self, tls=None, user=None, certificate_for="127.0.0.1"):
        self._tls = tls
        self._user = user
        self._messages = []
        self._faults = []
        self._arrived = threading.Condition()
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-mailbox-"))
        self.ca_file = self._folder / "certificate.pem"
        self._context = self._make_context(certificate_for) if tls else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE_S)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'smtps' if self._tls == 'implicit' else 'smtp'}://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---- for tests

    def messages(self):
        with self._arrived:
            return list(self._messages)

    def wait_for(self, count, patience_s=PATIENCE_S):
        """Waits until so many have come, and gives them."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._messages) >= count, patience_s):
                raise AssertionError(f"{len(self._messages)} of {count} mails came within {patience_s} s")
            return list(self._messages)

    def fail_next(self, code, at="rcpt", text="as the test wants it"):
        """The next command of that stage (STAGES) is answered with this code, once."""
        assert at in STAGES
        with self._arrived:
            self._faults.append((at, f"{code} {text}"))

    def cut_next(self, how="cut-in-data"):
        """The next connection breaks while its message comes, or after that, before it is acknowledged; or hangs."""
        assert how in CUTS
        with self._arrived:
            self._faults.append((how, how))

    # ---- for the server

    def take(self, stage):
        with self._arrived:
            for i, (at, answer) in enumerate(self._faults):
                if at == stage:
                    del self._faults[i]
                    return answer
        return None

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if refused := self.take("data"):
            return refused
        with self._arrived:
            self._messages.append(Message(envelope))
            self._arrived.notify_all()
        if self.take("cut-after-data"):
            server.transport.abort()
        return "250 OK"

    def _authenticate(self, _server, _session, _envelope, _mechanism, data):
        if refused := self.take("auth"):
            return AuthResult(success=False, handled=False, message=refused)
        good = (data.login.decode(), data.password.decode()) == self._user
        return AuthResult(success=good, handled=False)

    def _make_context(self, host):
        name = f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}"
        key = self._folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=mailbox", "-addext", f"subjectAltName={name}", "-keyout", key, "-out", self.ca_file],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        return context

    def _make_server(self):
        options = {"hostname": "mailbox.test", "enable_SMTPUTF8": False}
        if self._tls == "starttls":
            options |= {"tls_context": self._context, "require_starttls": True}
        if self._user:
            options |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": self._tls == "starttls"}
        return _Server(self, **options)

    async def _listen(self):
        context = self._context if self._tls == "implicit" else None
        return await self._loop.create_server(self._make_server, "127.0.0.1", 0, ssl=context)

    async def _close(self):
        self._server.close()
        tasks = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", choices=("starttls", "implicit"))
    parser.add_argument("--user")
    parser.add_argument("--certificate-for", default="127.0.0.1")
    parser.add_argument("--fault", action="append", default=[], help="CODE@STAGE, or one of " + ", ".join(CUTS))
    arguments = parser.parse_args()
    user = tuple(arguments.user.split(":", 1)) if arguments.user else None
    with Mailbox(arguments.tls, user, arguments.certificate_for) as mailbox:
        for fault in arguments.fault:
            if fault in CUTS:
                mailbox.cut_next(fault)
            else:
                code, stage = fault.split("@")
                mailbox.fail_next(int(code), stage)
        print(json.dumps({"url": mailbox.url, "caFile": str(mailbox.ca_file)}), flush=True)
        threading.Thread(target=_print_messages, args=[mailbox], daemon=True).start()
        sys.stdin.read()


def _print_messages(mailbox):
    for count in range(1, sys.maxsize):
        messages = mailbox.wait_for(count, patience_s=None)
        print(json.dumps(messages[count - 1].as_json()), flush=True)


if __name__ == "__main__":
    main()
