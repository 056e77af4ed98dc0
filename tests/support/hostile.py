"""Requests that nobody sends by mistake: made from the API's document, always the same for one seed."""

import json
import urllib.parse

# What a text may hold that somebody along the way cannot: directions, forms of one letter, code points beyond 16 bits,
# line ends of other worlds, markup, SQL, templates.
TEXTS = [
    "", " ", "\u202egnirts\u202c", "é", "e\u0301", "\ufb01", "𝕌𝕟𝕚", "👩‍👩‍👧‍👦", "\u2028\u2029\u0085", "\ufeff", "\u0000", "a\u0000b",
    "\x1b[31m", "' OR 1=1; --", "<script>alert(1)</script>", "${7*7}{{7*7}}%n%s", "../../etc/passwd", "\\\\host\\share",
    "ａ" * 50, "x" * 300, "x" * 100_000, "NaN", "null", "true", "0x10", "1e9", "-1", "9" * 400,
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400,
    [], {}, [None], [[]], {"": None}, {"a": {"b": {}}}, {"__proto__": {}, "constructor": 1}, [1] * 1000,
    {f"k{i}": i for i in range(1000)}, "2025-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z",
    *TEXTS,
]  # fmt: skip
# What stands in for a whole body.
BODIES = [
    b"", b"null", b"[]", b'""', b"0", b"{", b"}", b"{}{}", b"{}x", b"{,}", b'{"a"}', b"{'a':1}", b'{"a":1,}', b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00", b'{"a":"\xff\xfe"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"\\u0000":1}',
    b'{"a":"\x00"}', b'{"a":\x00}', b"[" * 20_000, b'{"a":' * 20_000, b'{"a":' * 60 + b"1" + b"}" * 60,
    b'{"a":' + b"9" * 100_000 + b"}", b'{"a":1e400}', b'{"a":-1e400}', b'{"a":' + b"0." + b"0" * 10_000 + b"1}", b'{"a":NaN}',
    b'{"a":Infinity}', b'{"a":01}', b'{"a":+1}', b'{"a":1 /* */}', b"name=x&type=y", b"--b\r\n\r\nx\r\n--b--", b"\x1f\x8b\x08\x00junk",
    b"<a/>", b"{" + b" " * 100_000 + b"}", b"{}" + b"\n" * 100_000, b'"' + b"a" * 1_100_000 + b'"',
]  # fmt: skip
SEGMENTS = [
    "..", ".", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%0d%0aSet-Cookie:x", "%ff%fe", "%c0%ae", "%", "%zz", "%25", "x" * 8_000,
    "'%20OR%201=1--", "%F0%9F%91%A9", "e%CC%81", "*", "~", "null", "0", "-1", "run_", "run_" + "Z" * 26, "sch_" + "0" * 26,
    "whe_" + "0" * 26, "00000000-0000-7000-8000-000000000000", "00000000-0000-7000-8000-00000000000G", ";a=b", "a,b", ":id", "{id}",
]  # fmt: skip
QUERY_VALUES = [
    "", "0", "-1", "1", "201", "9" * 30, "1.5", "1e3", "%31", "+1", "x", "true", "null", "%00", "a%00", "%ff", "%", "%zz", "%F0%9F%91%A9",
    "a,b,,c", "2025-13-01", "2025-02-30T00:00:00Z", "0000-01-01T00:00:00%2B00:01", "x" * 9_000, "'--", "[]", "{}", "..",
]  # fmt: skip
HEADERS = [
    ("If-Match", ""), ("If-Match", "*"), ("If-Match", '"'), ("If-Match", '"999-0"'), ("If-Match", 'W/"1"'), ("If-Match", "x" * 5_000),
    ("If-None-Match", "*"), ("If-None-Match", '"x", W/"y", z'), ("If-None-Match", "\xff"),
    ("Idempotency-Key", ""), ("Idempotency-Key", '""'), ("Idempotency-Key", "x" * 5_000), ("Idempotency-Key", "\xe9\xff"),
    ("Last-Event-ID", "abc"), ("Last-Event-ID", "-1"), ("Last-Event-ID", "9" * 40), ("Last-Event-ID", "\xff"),
    ("Prefer", "wait"), ("Prefer", "wait=x"), ("Prefer", "wait=-5"), ("Prefer", "wait=" + "9" * 40), ("Prefer", 'foo; "bar'),
    ("traceparent", "00-0-0-0"), ("traceparent", "00-" + "f" * 32 + "-" + "0" * 16 + "-01"), ("traceparent", "\xff" * 55),
    ("tracestate", "=" * 1_000), ("Accept", "application/problem+json"), ("Accept", "*/*;q=x,,"), ("Accept", "\xff"),
    ("Accept-Encoding", "gzip;q=2, br, \xff"), ("Content-Type", "text/plain"), ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Encoding", "gzip"), ("X-Request-Id", "x" * 500), ("X-Request-Id", "a b"), ("X-Request-Id", "\xff"), ("Origin", "null"),
    ("Origin", "https://elsewhere.example"), ("Cookie", "a=b;" * 500), ("Range", "bytes=0-0"), ("Expect", "200-ok"),
    ("Authorization", ""), ("Authorization", "Bearer"), ("Authorization", "Bearer slk_"), ("Authorization", "Basic YTpi"),
    ("Authorization", "Bearer slk_" + "\xff" * 40), ("Authorization", "Bearer " + "slk_" + "x" * 5_000),
    ("X-HTTP-Method-Override", "DELETE"), ("X-Forwarded-For", "127.0.0.1"), ("Host", "evil.example"),
]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


class Case:
    """One request. `field` is the only thing that is wrong with it, where there is one such thing."""

    def __init__(self, operation, what, method=None, target=None, headers=(), body=None, field=None):
        self.operation = operation
        self.what = what
        self.method = method or operation.method
        self.target = target
        self.headers = dict(headers)
        self.body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.field = field

    def __str__(self):
        return f"{self.operation.id}: {self.method} {self.target[:200]} ({self.what}) {dict(self.headers)} {(self.body or b'')[:200]}"


def sample(contract, schema):
    """A value that fits: what is required, and no more."""
    schema = contract.resolve(schema)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: sample(contract, schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "string":
        return "2025-01-12T10:00:00Z" if schema.get("format") == "date-time" else "text"
    return {"array": [], "boolean": True}.get(kind, schema.get("minimum", 1))


def positions(contract, schema, path=()):
    """The path of every member that a body may have; KEY stands for any name."""
    schema = contract.resolve(schema)
    for name, member in schema.get("properties", {}).items():
        yield (*path, name)
        member = contract.resolve(member)
        if "properties" in member:
            yield from positions(contract, member, (*path, name))
        elif isinstance(member.get("additionalProperties"), dict):
            yield (*path, name, "KEY")


def replaced(contract, schema, body, path, value):
    """A copy of `body` in which `value` stands at `path`; what is above it and missing is made to fit."""
    if len(path) > 1:
        inner = contract.resolve(contract.resolve(schema).get("properties", {}).get(path[0], {}))
        value = replaced(contract, inner, body.get(path[0], sample(contract, inner)), path[1:], value)
    return {**body, path[0]: value}


class Maker:
    """Makes cases. `ids` gives what a path's parameter may be filled with, by the segment before it; `instead` has values
    for members of bodies whose examples are not to be used."""

    def __init__(self, contract, random, ids, instead):
        self.contract = contract
        self.random = random
        self.ids = ids
        self.instead = instead

    def some(self, values, count):
        return self.random.sample(values, min(count, len(values)))

    def target(self, operation, segment=None):
        parts = operation.path.split("/")
        for i, part in enumerate(parts):
            if part.startswith("{"):
                parts[i] = segment if segment is not None else self.random.choice(self.ids(operation.path.split("/")[i - 1]))
        return "/".join(parts)

    def example(self, operation):
        body = operation.item.get("requestBody")
        if body is None:
            return None
        example = body["content"].get("application/json", {}).get("example", {})
        return {**example, **{name: value for name, value in self.instead.items() if name in example}}

    def cases(self, operation, density):
        """`density`: of each kind, about how many."""
        yield Case(operation, "as it is", target=self.target(operation), body=self.example(operation))
        yield from self.bodies(operation, density)
        yield from self.queries(operation, density)
        for name, value in self.some(HEADERS, density * 3):
            yield Case(operation, "header", target=self.target(operation), headers=[(name, value)], body=self.example(operation))
        if "{" in operation.path:
            for segment in self.some(SEGMENTS, density * 2):
                yield Case(operation, "segment", target=self.target(operation, segment), body=self.example(operation))
        for method in METHODS:
            if self.contract.find(method, self.target(operation)) is None:
                yield Case(operation, "method", method=method, target=self.target(operation), body=self.example(operation))
        yield Case(operation, "path", target=self.target(operation) + "/")
        yield Case(operation, "path", target=self.target(operation).replace("/", "//", 1))

    def bodies(self, operation, density):
        if operation.method == "GET":
            return
        for body in self.some(BODIES, density * 3):
            yield Case(operation, "body", target=self.target(operation), body=body)
        schema = self.contract.body_schema(operation)
        if schema is None:
            return
        example = self.example(operation)
        for path in positions(self.contract, schema):
            for value in self.some(VALUES, density * 2):
                body = replaced(self.contract, schema, example, path, value)
                yield Case(operation, f"member {'/'.join(path)}", target=self.target(operation), body=body, field="/".join(path))
            text = json.dumps(example)
            member = json.dumps(path[0])
            twice = text[:-1] + (", " if example else "") + f"{member}: 1, {member}: 1}}"
            yield Case(operation, f"member {path[0]} twice", target=self.target(operation), body=twice.encode())
        for name in example:
            body = {other: value for other, value in example.items() if other != name}
            yield Case(operation, f"without {name}", target=self.target(operation), body=body, field=name)
        for name in ("unknown", "__proto__", "", "a/b~c", "Ω" * 100):
            yield Case(operation, "unknown member", target=self.target(operation), body={**example, name: 1}, field=name)

    def queries(self, operation, density):
        body = self.example(operation)
        known = list(self.contract.parameters(operation, "query"))
        for name in known:
            for value in self.some(QUERY_VALUES, density):
                yield Case(operation, "query", target=f"{self.target(operation)}?{name}={value}", body=body, field=name)
            yield Case(operation, "query", target=f"{self.target(operation)}?{name}=1&{name}=2", body=body, field=name)
        for query in ("unknown=1", "=", "&&&", "%00=1", "a" * 2_000, "?", "limit", "%ff=%ff", "a=%", "#x"):
            yield Case(operation, "query", target=f"{self.target(operation)}?{query}", body=body)
        if len(known) > 1:
            pairs = [(name, self.random.choice(QUERY_VALUES)) for name in self.some(known, 3)]
            query = "&".join(f"{urllib.parse.quote(name)}={value}" for name, value in pairs)
            yield Case(operation, "query", target=f"{self.target(operation)}?{query}", body=body)
