"""One HTTP request on a connection of its own, for tests that speak with something else than a hub."""

import http.client
import json

from .hub import Answer


def send(port, method, path, body=None, headers=(), timeout_s=60):
    """`body`: bytes or text as it is, anything else as JSON. Gives an Answer."""
    sent = dict(headers)
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        sent.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode(errors="replace"))
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
