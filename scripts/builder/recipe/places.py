"""YAML with places: what a file says and where, so that every fault names its file and line."""

import os

import yaml

LIMIT = 1 << 20
TYPES = {"str": "text", "int": "a number", "bool": "true or false", "null": "nothing", "float": "a number",
         "seq": "a list", "map": "a mapping", "timestamp": "a date"}


class Faults(Exception):
    """Everything wrong with a configuration, each fault with its place and the way out."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def add(self, node, text, hint=None):
        mark = node.start_mark
        self.lines.append(f"{mark.name}:{mark.line + 1}:{mark.column + 1}: {text}")
        if hint:
            self.lines.append(f"  hint: {hint}")

    def end(self):
        if self.lines:
            raise self


def simple(text):
    """A fault that has no line."""
    faults = Faults()
    faults.lines.append(text)
    return faults


def kind(node):
    """Says what a value is, in words."""
    if isinstance(node, yaml.ScalarNode) and not node.value.strip():
        return "empty"
    return TYPES.get(node.tag.rpartition(":")[2], f"a value with the tag {node.tag}")


def load(path):
    """Reads one document as nodes: nothing in it is expanded or constructed, however it refers to itself."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise simple(f"{path}: {error.strerror}") from None
    if len(data) > LIMIT:
        raise simple(f"{path}: larger than {LIMIT >> 20} MiB; a configuration is not")
    try:
        # not the loader in C: it overflows the stack on deep nesting
        loader = yaml.SafeLoader(data)
        loader.name = path
        return loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise simple(f"{path}{place}: not YAML: {getattr(error, 'problem', None) or 'characters that YAML does not know'}") from None
    except (ValueError, RecursionError):
        raise simple(f"{path}: not YAML that can be read") from None


def entries(node, keys, faults, what):
    """The pairs of a mapping whose keys are known; unknown and repeated ones are faults."""
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, f"{what}: {kind(node)}, not a mapping", f"keys here are {', '.join(keys)}")
        return {}
    found = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else kind(key)
        if name not in keys:
            faults.add(key, f"{what}: unknown key {name!r}", f"keys here are {', '.join(keys)}")
        elif name in found:
            faults.add(key, f"{what}: {name!r} is there twice", "keep one of them")
        else:
            found[name] = value
    return found


def beside(node, path):
    """Where a path in a configuration leads: beside the file that names it."""
    return os.path.normpath(os.path.join(os.path.dirname(node.start_mark.name), path))
