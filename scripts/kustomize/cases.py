"""The cases of tests/kustomize: many in one text file, which tests/kustomize/README.md describes."""
import base64
import os
import pathlib

HERE = pathlib.Path("tests/kustomize")


class Case:
    """Files, and what is expected of rendering the directory of the first of them."""

    def __init__(self, feature, name):
        self.feature, self.name, self.files, self.differs = feature, name, [], None
        self.rendered = self.refused = None

    def write(self, root):
        """Makes the files below `root`; the directory to render."""
        for header, text in self.files:
            name, _, how = header.partition(" (")
            path, how = root / name, how.rstrip(")")
            path.parent.mkdir(parents=True, exist_ok=True)
            if how.startswith("link "):
                os.symlink(how[5:], path)
            else:
                path.write_bytes(content(text, how).replace(b"@ROOT@", str(root).encode()))
        return (root / self.files[0][0].partition(" (")[0]).parent

    def lines(self):
        """As it stands in the file."""
        yield f"== {self.name}\n"
        if self.differs:
            yield f"!! {self.differs}\n"
        for header, text in self.files:
            yield f"-- {header}\n{text}"
        yield f"=> refused: {self.refused}\n" if self.rendered is None else f"=> rendered\n{self.rendered}"


def content(text, how):
    if how == "base64":
        return base64.b64decode(text)
    if how.startswith("like "):
        return shared()[how[5:]].encode()
    return (text.removesuffix("\n") if how == "no newline" else text).encode()


class Feature:
    """One file of cases."""

    def __init__(self, path):
        self.path, self.name, self.cases, self.head = path, path.stem, [], ""
        for line in path.read_text().splitlines(keepends=True):
            self.line(line)

    def line(self, line):
        case = self.cases[-1] if self.cases else None
        mark, rest = line[:3], line[3:].rstrip("\n")
        if mark == "== ":
            self.cases.append(Case(self.name, rest))
        elif case is None:
            self.head += line
        elif mark == "!! ":
            case.differs = rest
        elif mark == "-- ":
            case.files.append((rest, ""))
        elif line == "=> rendered\n":
            case.rendered = ""
        elif line.startswith("=> refused: "):
            case.refused = line[12:].rstrip("\n")
        elif case.rendered is not None:
            case.rendered += line
        elif case.refused is None:
            case.files[-1] = (case.files[-1][0], case.files[-1][1] + line)

    def save(self):
        text = self.head + "".join(line for case in self.cases for line in case.lines())
        self.path.write_text(text)


def shared():
    """Files that many cases begin with, by name."""
    parts = ("\n" + (HERE / "shared.txt").read_text()).split("\n-- ")[1:]
    return {name: text.removesuffix("\n") + "\n" for name, _, text in (part.partition("\n") for part in parts)}


def load(names):
    """All features, or the named ones."""
    features = [Feature(path) for path in sorted(HERE.glob("*.txt")) if path.stem != "shared"]
    return [feature for feature in features if not names or feature.name in names]
