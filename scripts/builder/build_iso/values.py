"""What single values of the configuration may be; each check returns the value or says what is wrong with it."""

import re

# a console of the kernel: tty0, ttyS0,115200n8
CONSOLE = re.compile(r"[A-Za-z]+[0-9]*(,[0-9]+[noe]?[5-8]?r?)?")
# what every tool that prints or looks for labels can bear; the field has 32 bytes (ECMA-119, 8.4.7)
LABEL = re.compile(r"[A-Za-z0-9_.-]{1,32}")
# by these cloud-init would take the whole medium for a seed, beside the one that is on it
SEEDS = ("cidata", "config-2")


def words(value, what):
    """A list of words, or a string of words with white space between them."""
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise ValueError(f"{what}: neither a string nor a list of strings")
    return value


def argument(word, what):
    # GRUB has a backslash before each of the last three when it hands them to the kernel; arguments may be secret: not shown
    for letter in word:
        if not "!" <= letter <= "~" or letter in "'\"\\":
            raise ValueError(f"{what}: white space, quotes, backslashes and what is not ASCII cannot be passed on by GRUB")
    return word


def console(word, what):
    if not CONSOLE.fullmatch(word):
        raise ValueError(f"{what}: {word!r} is not the name of a console, as tty0 or ttyS0,115200n8")
    return word


def label(value, what):
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        raise ValueError(f"{what}: not a text of 1 to 32 letters, digits, dots, dashes and underscores")
    if value.lower() in SEEDS:
        raise ValueError(f"{what}: {value} is a label by which cloud-init takes a medium for a seed")
    return value


def epoch(value, what):
    """Seconds since 1970; ISO 9660 writes dates until 2155, many readers until 2106."""
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) >= 1 << 32:
        raise ValueError(f"{what}: not a number of seconds since 1970, below {1 << 32}")
    return int(value)
