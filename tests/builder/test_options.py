"""What builder-conf.yaml may say about the medium: arguments of the kernel, consoles, label, date."""

import json
import unittest

from builder import BuilderCase

# its image is the menu, and what it was told
XORRISO = """#!/bin/sh
for word in "$@"; do case $word in /boot/grub/grub.cfg=*) menu=${word#*=} ;; *.new) image=$word ;; esac; done
{ cat "$menu"; printf 'told <%s>\\n' "$@"; } > "$image"
"""
PREFIX = "    linux /live/vmlinuz boot=live nopersistence ip=frommedia systemd.show_status=1 "


class Options(BuilderCase):
    def setUp(self):
        super().setUp()
        program = self.top / "bin/xorriso"
        program.write_text(XORRISO)
        program.chmod(0o755)

    def menu(self, extra="", **variables):
        self.configure(extra)
        self.made(**variables)
        return (self.volume / "ephemeral.iso").read_text()

    def command_line(self, extra=""):
        return next(line for line in self.menu(extra).splitlines() if line.startswith(PREFIX)).removeprefix(PREFIX)

    def test_without_options_the_kernel_speaks_on_both_consoles(self):
        menu = self.menu()
        self.assertIn(PREFIX + "console=tty0 console=ttyS0,115200n8\n", menu)
        self.assertIn("if serial --unit=0 --speed=115200; then\n  terminal_input console serial\n", menu)
        self.assertNotIn("@", menu)

    def test_kernel_arguments_follow_in_their_order(self):
        for given in ("'debug  b=1\n  c'", "[debug, b=1, c]"):
            self.assertEqual(self.command_line(f"  kernelArgs: {given}\n"), "console=tty0 console=ttyS0,115200n8 debug b=1 c")

    def test_an_argument_is_one_word_of_grubs_whatever_is_in_it(self):
        line = self.command_line("  kernelArgs: ['ds=nocloud;x', 'a=$root', '}', 'b|c&d', 'e=<>*?[]!', 'f#g', '@terminal@', 'a=b:c/d,e+f%g^h~i']\n")
        self.assertEqual(line.split(" ", 2)[2], "'ds=nocloud;x' 'a=$root' '}' 'b|c&d' 'e=<>*?[]!' 'f#g' @terminal@ a=b:c/d,e+f%g^h~i")

    def test_what_grub_cannot_pass_on_is_refused_without_being_shown(self):
        for word in ("a\\nhunter2", "a b hunter2", "hunter2\\\"", "hunter2'", "hunter2\\\\", "hunter2\\e", "hünter2", "hunter2\\0"):
            with self.subTest(word):
                self.configure(f'  kernelArgs: [fine, "{word}"]\n')
                self.refused("builder.kernelArgs: word 2: white space, quotes, backslashes")

    def test_arguments_of_other_types_are_refused(self):
        for given in ("{a: b}", "[1]", "7", "[[a]]", "['']", "true"):
            with self.subTest(given):
                self.configure(f"  kernelArgs: {given}\n")
                self.refused("builder.kernelArgs: neither a string nor a list of strings")

    def test_a_command_line_that_the_kernel_would_cut_is_refused(self):
        fits = 2047 - len("BOOT_IMAGE=" + PREFIX.strip().removeprefix("linux ") + " console=tty0 console=ttyS0,115200n8 ")
        self.menu(f"  kernelArgs: {'x' * fits}\n")
        self.menu(f"  kernelArgs: {'x' * (fits - 1)};\n")
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            (self.volume / name).unlink()
        self.configure(f"  kernelArgs: {'x' * (fits + 1)}\n")
        self.refused("the kernel's command line would be longer than 2047 bytes")

    def test_the_order_of_consoles_is_the_configurations(self):
        menu = self.menu("  console: [ttyS1, tty0]\n")
        self.assertIn(PREFIX + "console=ttyS1 console=tty0\n", menu)
        self.assertIn("serial --unit=1 --speed=9600", menu)
        menu = self.menu("  console: tty1\n")
        self.assertIn(PREFIX + "console=tty1\n", menu)
        self.assertNotIn("serial", menu.split("told")[0])

    def test_consoles_that_are_none_are_refused(self):
        for given in ("[tty0, 'tty0;reboot']", "'ttyS0,fast'", "'tty0 $x'", "'/dev/tty0'"):
            with self.subTest(given):
                self.configure(f"  console: {given}\n")
                self.refused("is not the name of a console")

    def test_the_images_recipe_gives_defaults_and_arguments_that_stay(self):
        (self.top / "assets/recipe.json").write_text(json.dumps({"kernelArguments": ["quiet"], "console": ["ttyAMA0"], "suite": "x"}))
        self.assertEqual(self.command_line("  kernelArgs: debug\n"), "console=ttyAMA0 quiet debug")

    def test_labels_are_written_and_bad_ones_refused(self):
        self.assertIn("told <-V>\ntold <Site-1_a.b>\n", self.menu("  label: Site-1_a.b\n"))
        self.assertIn("told <-V>\ntold <AIRSHIP_EPH>\n", self.menu())
        self.menu(f"  label: {'x' * 32}\n")
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            (self.volume / name).unlink()
        for given, words in {"x" * 33: "1 to 32 letters", "''": "1 to 32 letters", "a b": "1 to 32 letters", "ä": "1 to 32", "7": "not a text",
                             "cidata": "takes a medium for a seed", "CONFIG-2": "takes a medium for a seed"}.items():
            with self.subTest(given):
                self.configure(f"  label: {given}\n")
                self.refused(words)

    def test_the_date_is_the_configurations_or_the_environments(self):
        self.assertIn("told <--modification-date=2023111422132000>", self.menu("  sourceDateEpoch: 1700000000\n", SOURCE_DATE_EPOCH="1"))
        self.assertIn("told <--modification-date=1970010100000100>", self.menu(SOURCE_DATE_EPOCH="1"))
        for name in ("ephemeral.iso", "ephemeral.iso.files", "ephemeral.iso.spdx.json", "output-metadata.yaml"):
            (self.volume / name).unlink()
        for given in ("-1", "yesterday", "4294967296", "1.5", "true", "'²'"):
            with self.subTest(given):
                self.configure(f"  sourceDateEpoch: {given}\n")
                self.refused("builder.sourceDateEpoch: not a number of seconds")
        self.configure()
        self.refused("SOURCE_DATE_EPOCH: not a number of seconds", SOURCE_DATE_EPOCH="now")

    def test_unknown_keys_are_allowed(self):
        self.menu("  colour: blue\n  kernelArgs:\n  label:\n")


if __name__ == "__main__":
    unittest.main()
