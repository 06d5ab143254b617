"""What cloud-init makes of user-data: reads a JSON list of texts, prints a JSON list of verdicts.

A verdict has `kind` (the content type by the first bytes), `problem` (why the text is no cloud-config at all, or null) and
`paths` (of what its schema refuses; deprecated keys are not refused)."""

import json
import sys

from cloudinit import handlers, safeyaml
from cloudinit.config.schema import SchemaValidationError, get_schema, validate_cloudconfig_schema

SCHEMA = get_schema()


def refused(config):
    try:
        validate_cloudconfig_schema(config, SCHEMA, strict=True)
    except SchemaValidationError as error:
        return sorted({problem.path for problem in error.schema_errors or []})
    return []


def verdict(text):
    kind = handlers.type_from_starts_with(text)
    try:
        config = safeyaml.load(text)
    except Exception as error:  # whatever the loader raises, cloud-init goes on without this part
        return {"kind": kind, "problem": type(error).__name__, "paths": []}
    if config is None:
        return {"kind": kind, "problem": "empty", "paths": []}
    if not isinstance(config, dict):
        return {"kind": kind, "problem": "not a mapping", "paths": []}
    return {"kind": kind, "problem": None, "paths": refused(config)}


json.dump([verdict(text) for text in json.load(sys.stdin)], sys.stdout)
