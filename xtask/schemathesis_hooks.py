"""What the property tests need to know beside the OpenAPI document."""

import json
import re

import schemathesis

LINES = "application/x-ndjson"

# Refusals of requests that fit the document: they depend on what the namespace holds, or on limits in
# bytes where schemas count characters.
STATE_CODES = {
    "cursor_invalid",
    "dimension_mismatch",
    "field_not_indexed",
    "idempotency_key_reused",
    "namespace_conflict",
    "namespace_not_found",
    "precondition_failed",
    "record_not_found",
    "vector_invalid",
    "vector_missing",
    "version_not_reached",
}


TAGS = re.compile(r'\*|(W/)?"[^", ]*"( *, *(W/)?"[^", ]*")*')


@schemathesis.hook
def filter_case(ctx, case):
    """Leaves out what the tool makes and HTTP or the document do not mean."""
    headers = case.headers or {}
    # Whoever sends a header that nobody knows is served all the same.
    if "x-schemathesis-unknown-property" in headers:
        return False
    # Its right requests do not keep to the pattern of a header.
    if case.meta is not None and case.meta.generation.mode.is_positive:
        tags = [headers.get(name, "*") for name in ("If-Match", "If-None-Match")]
        return all(TAGS.fullmatch(tag) for tag in tags)
    return True


@schemathesis.serializer(LINES)
def records_as_lines(ctx, value):
    """An import of one record."""
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer(LINES)
def first_of_lines(ctx, response):
    """An export, by its first record; of an empty one there is nothing to say."""
    line = response.content.split(b"\n", 1)[0]
    return json.loads(line) if line else {"id": "", "version": 0}


@schemathesis.check
def fitting_request_accepted(ctx, response, case):
    """A request that fits the document is refused only for the state of the namespace."""
    meta = case.meta
    # Keys, roles and accounts have strings that a schema does not describe yet.
    if not case.path.startswith("/v1/namespaces"):
        return
    if meta is None or not meta.generation.mode.is_positive or response.status_code < 400:
        return
    if response.status_code >= 500 or not response.content:
        return
    code = response.json().get("code")
    assert code in STATE_CODES, f"refused with {code}: {response.json().get('detail')}"
