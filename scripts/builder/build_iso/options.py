"""What the configuration may say about the medium itself: label, date, consoles and arguments of the kernel."""

import json
import os
from collections import namedtuple

from checks import ASSETS
from values import argument, console, epoch, label, words

Options = namedtuple("Options", "label epoch console arguments")
# of an image whose recipe says nothing
LABEL, DATE, CONSOLES = "AIRSHIP_EPH", 1750000000, ["tty0", "ttyS0,115200n8"]


def recipe():
    """What this image was made for."""
    try:
        with open(f"{ASSETS}/recipe.json", encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def each(check, given, what):
    return [check(word, f"{what}: word {number}") for number, word in enumerate(words(given, what), 1)]


def date(builder, path):
    """The configuration's, else the environment's, in which the image has its own."""
    if builder.get("sourceDateEpoch") is not None:
        return epoch(builder["sourceDateEpoch"], f"{path}.sourceDateEpoch")
    return epoch(os.environ.get("SOURCE_DATE_EPOCH") or DATE, "SOURCE_DATE_EPOCH")


def read(builder, path):
    """Reads them from the section `builder`; `path` is for messages."""
    image = recipe()

    def given(key, default):
        return default if builder.get(key) is None else builder[key]

    # the image's arguments stay, the site's follow
    arguments = each(argument, image.get("kernelArguments", []), "kernelArguments of this image")
    arguments += each(argument, given("kernelArgs", []), f"{path}.kernelArgs")
    consoles = each(console, given("console", image.get("console") or CONSOLES), f"{path}.console")
    return Options(label(given("label", LABEL), f"{path}.label"), date(builder, path), consoles, arguments)
