"""The menu of GRUB, from the image's template: consoles and arguments of the kernel, quoted."""

import os
import re

from checks import ASSETS

# the whole command line, with the byte that ends it (COMMAND_LINE_SIZE of x86 and arm64)
LIMIT = 2048
PLAIN = re.compile(r"[A-Za-z0-9_.,:=/+@%^~-]+")
SERIAL = re.compile(r"ttyS([0-3])(?:,([0-9]+).*)?")
TERMINAL = """if serial --unit={} --speed={}; then
  terminal_input console serial
  terminal_output console serial
fi
"""


def quoted(word):
    """One word of GRUB's language, whatever is in it: between single quotes nothing but they themselves has a meaning."""
    if "'" in word:
        raise ValueError("a single quote cannot be quoted")
    return word if PLAIN.fullmatch(word) else f"'{word}'"


def terminal(consoles):
    """GRUB shows itself on the first serial console too."""
    for found in filter(None, map(SERIAL.fullmatch, consoles)):
        return TERMINAL.format(found[1], found[2] or 9600)
    return ""


def too_long(text):
    for line in text.splitlines():
        command, _, rest = line.strip().partition(" ")
        # GRUB puts the kernel's name in front
        if command == "linux" and len(f"BOOT_IMAGE={rest}".replace("'", "")) >= LIMIT:
            return True
    return False


def write(options, tree):
    """Makes boot/grub/grub.cfg below `tree`."""
    with open(f"{ASSETS}/boot/grub.cfg", encoding="ascii") as file:
        template = file.read()
    words = [f"console={name}" for name in options.console] + options.arguments
    # the arguments last: what is in them is no part of the template
    text = template.replace("@terminal@\n", terminal(options.console)).replace("@arguments@", " ".join(map(quoted, words)))
    if too_long(text):
        raise ValueError(f"builder.kernelArgs: the kernel's command line would be longer than {LIMIT - 1} bytes")
    os.makedirs(os.path.join(tree, "boot/grub"))
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as file:
        file.write(text)
