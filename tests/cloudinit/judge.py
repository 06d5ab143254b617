"""What cloud-init makes of cloud-config: prints a JSON list of verdicts, for texts or for changed examples.

judge.py texts      reads a JSON list of texts
judge.py examples   takes the examples of the modules that are named as arguments, as they are and with each value in turn replaced
                    by others, left out, or given an unknown key beside it

A verdict has `text`, `kind` (the content type by the first bytes), `problem` (why the text is no cloud-config at all, or null)
and `paths` (of what the schema refuses; deprecated keys are not refused)."""

import copy
import importlib
import json
import sys

from cloudinit import handlers, safeyaml
from cloudinit.config.schema import SchemaValidationError, get_schema, validate_cloudconfig_schema

SCHEMA = get_schema()
OTHERS = [None, True, False, 7, -1, 1.5, "text", "", [], {}, ["text"], [7], {"text": "text"}]


def refused(config):
    try:
        validate_cloudconfig_schema(config, SCHEMA, strict=True)
    except SchemaValidationError as error:
        return sorted({problem.path for problem in error.schema_errors or []})
    return []


def verdict(text):
    found = {"text": text, "kind": handlers.type_from_starts_with(text), "problem": None, "paths": []}
    try:
        config = safeyaml.load(text)
    except Exception as error:  # whatever the loader raises, cloud-init goes on without this part
        return {**found, "problem": type(error).__name__}
    if not isinstance(config, dict):
        return {**found, "problem": "empty" if config is None else "not a mapping"}
    return {**found, "paths": refused(config)}


def places(value, path=()):
    """The paths of all values below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from places(below, (*path, key))


def changed(config, path, change):
    config = copy.deepcopy(config)
    holder = config
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return config


def put(other):
    return lambda holder, key: holder.__setitem__(key, other)


def variants(config):
    yield config
    for path in places(config):
        for other in OTHERS:
            yield changed(config, path, put(other))
        yield changed(config, path, lambda holder, key: holder.pop(key))
        yield changed(config, path, lambda holder, _: isinstance(holder, dict) and holder.update(zzz=1))


def examples(modules):
    seen = set()
    for module in modules:
        for example in importlib.import_module(f"cloudinit.config.{module}").meta["examples"]:
            for config in variants(safeyaml.load(example)):
                text = "#cloud-config\n" + json.dumps(config, default=str)
                if text not in seen:
                    seen.add(text)
                    yield text


texts = json.load(sys.stdin) if sys.argv[1] == "texts" else examples(sys.argv[2:])
json.dump([verdict(text) for text in texts], sys.stdout)
