"""Templates for tests: files by name, packed and pushed over the API."""

import hashlib
import io
import tarfile


def pack(files):
    """A tar archive of `files` (name: text). The same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def upload(hub, files):
    """Gives the hash under which the hub has the archive."""
    archive = pack(files)
    name = hashlib.sha256(archive).hexdigest()
    hub.put(f"/v1/blobs/{name}", archive, headers={"Content-Type": "application/octet-stream"}).expect(200)
    return name


def push(hub, template, files, provisioner, **fields):
    """Pushes a version; gives it and the run that imports it."""
    body = {"archive": upload(hub, files), "provisioner": provisioner, **fields}
    return hub.post(f"/v1/templates/{template}/versions", body).expect(202)
