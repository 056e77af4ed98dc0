"""The API's own document as a judge (WF-47): what a test gets from a hub must be what `slipway openapi` says, and what a
hub accepted must be what the document allows to ask. So the document is neither too narrow nor too wide.

Needs the package python3-jsonschema. Hub.request calls `check` for every answer; a test need not know of it.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLIPWAY = pathlib.Path(os.environ.get("SLIPWAY_BIN", ROOT / "build/debug/src/slipway")).resolve()

# Answers of the server itself, to what never reached a route.
BEFORE_ROUTES = {400, 404, 405, 408, 413, 417, 429, 431, 500, 501, 503, 505}

# Probes and scrapers add what they like; these ignore it.
ANY_QUERY = {"getHealth", "getPrometheusMetrics"}

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

formats = jsonschema.FormatChecker(formats=())
formats.checks("date-time")(lambda value: not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None)
formats.checks("uuid")(lambda value: not isinstance(value, str) or UUID.fullmatch(value) is not None)


class Violation(AssertionError):
    """Hub and document disagree."""


class Operation:
    """One method of one path."""

    def __init__(self, method, path, item):
        self.method = method
        self.path = path
        self.item = item
        self.id = item["operationId"]
        self.pattern = re.compile("/".join(r"[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/")))
        self.literals = sum(not part.startswith("{") for part in path.split("/"))

    def __str__(self):
        return f"{self.id} ({self.method} {self.path})"


class Contract:
    """A document with its validators, each made once."""

    def __init__(self, document):
        self.document = document
        self._validators = {}
        self.operations = sorted(
            (
                Operation(method.upper(), path, item)
                for path, methods in document["paths"].items()
                for method, item in methods.items()
            ),
            key=lambda operation: -operation.literals,
        )

    def find(self, method, path):
        """The operation that a request is for, or None."""
        path = path.partition("?")[0]
        if path == "/workspaces" or path.startswith("/workspaces/"):
            path = "/v1" + path  # another spelling, which the document leaves out
        method = "GET" if method == "HEAD" else method
        for operation in self.operations:
            if operation.method == method and operation.pattern.fullmatch(path):
                return operation
        return None

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def parameters(self, operation, place):
        """By name, those that are in `place`: path, query or header."""
        all_of_them = [self.resolve(parameter) for parameter in operation.item.get("parameters", ())]
        return {parameter["name"]: parameter for parameter in all_of_them if parameter["in"] == place}

    def body_schema(self, operation):
        body = operation.item.get("requestBody")
        return None if body is None else body["content"].get("application/json", {}).get("schema")

    # ---- judging

    def check(self, method, target, body, status, headers, text):
        """Throws Violation when answer or accepted request do not fit. `body`: bytes or None."""
        operation = self.find(method, target)
        if operation is None:
            return
        responses = operation.item["responses"]
        if str(status) not in responses:
            if status not in BEFORE_ROUTES:
                raise Violation(f"{operation}: the status {status} is not documented: {text[:500]}")
            response = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        else:
            response = self.resolve(responses[str(status)])
        self._check_headers(operation, status, response, headers)
        if method != "HEAD":
            self._check_content(operation, status, response, headers, text)
        if 200 <= status < 300:
            self._check_query(operation, target)
            self._check_body(operation, body)

    def _check_headers(self, operation, status, response, headers):
        for name, header in response.get("headers", {}).items():
            if self.resolve(header).get("required") and headers.get(name) is None:
                raise Violation(f"{operation}: the answer {status} has no {name}")

    def _check_content(self, operation, status, response, headers, text):
        content = response.get("content", {})
        sent = (headers.get("Content-Type") or "").partition(";")[0].strip()
        if not content and not text:
            return
        if sent not in content:
            raise Violation(f"{operation}: the answer {status} is '{sent}', documented are {sorted(content)}: {text[:200]}")
        schema = content[sent]["schema"]
        where = f"{operation}: the answer {status}"
        if sent == "text/event-stream":
            for data in data_of_events(text):
                self.validate(schema["contentSchema"], json.loads(data), f"{where}: an event")
        elif sent in ("application/json", "application/problem+json"):
            self.validate(schema, json.loads(text), where)

    def _check_query(self, operation, target):
        known = self.parameters(operation, "query")
        for name, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query, keep_blank_values=True):
            if name not in known and operation.id in ANY_QUERY:
                continue
            if name not in known:
                raise Violation(f"{operation}: the hub took the parameter {name}, which is not documented")
            schema = self.resolve(known[name]["schema"])
            self.validate(schema, from_text(value, schema), f"{operation}: the hub took the parameter {name}")

    def _check_body(self, operation, body):
        schema = self.body_schema(operation)
        if schema is None:
            return
        if not body:
            if operation.item["requestBody"].get("required"):
                raise Violation(f"{operation}: the hub took no body, but the document requires one")
            return
        self.validate(schema, self.as_read(json.loads(body), schema), f"{operation}: the hub took a body")

    # ---- schemas

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {"allOf": [schema], "components": self.document["components"]}
            self._validators[key] = jsonschema.Draft202012Validator(whole, format_checker=formats)
        return self._validators[key]

    def validate(self, schema, value, what):
        error = jsonschema.exceptions.best_match(self.validator(schema).iter_errors(value))
        if error is not None:
            pointer = "/" + "/".join(str(part) for part in error.absolute_path)
            raise Violation(f"{what} does not fit the document at {pointer}: {error.message[:500]}")

    def as_read(self, value, schema):
        """How the hub reads a request: null as absent, except where the schema gives it a meaning; a date as its
        beginning."""
        schema = self.resolve(schema)
        properties = schema.get("properties", {})
        if schema.get("format") == "date-time":
            return from_text(value, schema) if isinstance(value, str) else value
        if not isinstance(value, dict):
            return value
        return {
            name: self.as_read(member, properties.get(name, {}))
            for name, member in value.items()
            if member is not None or name not in properties or self.validator(properties[name]).is_valid(None)
        }


def from_text(value, schema):
    """A query parameter's value as its schema means it; what cannot be read stays text, for the schema to refuse."""
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        return value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value, value)
    if kind == "array":
        return [from_text(item, schema["items"]) for item in value.split(",")]
    if schema.get("format") == "date-time" and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value + "T00:00:00Z"  # a date means its beginning
    return value


def data_of_events(text):
    """Of each event of a stream that has data which is not empty."""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        data = "\n".join(line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:"))
        if data and "event: hello" not in block:
            yield data


@functools.lru_cache(maxsize=1)
def contract():
    """Of the program under test; read once in a process."""
    printed = subprocess.run([SLIPWAY, "openapi"], check=True, capture_output=True, text=True)
    return Contract(json.loads(printed.stdout))
