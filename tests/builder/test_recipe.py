"""The recipe of the builder image: configurations and lock files: python3 -m unittest discover tests/builder"""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts/builder"
ARMOURED = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n"
SOURCE = "sources:\n  - |\n    Types: deb\n    URIs: https://registry.example/apt\n    Suites: stable\n    Components: main\n"
ROOTS = ("live", "tools", "boot")


class Recipe(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.work = self.top / "work"
        self.work.mkdir()

    def recipe(self, *arguments, **variables):
        environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1750000000", "BUILDER_SUITE": "bookworm", "BUILDER_ARCHITECTURE": "amd64"}
        return subprocess.run([sys.executable, "-IB", SCRIPTS / "recipe", *map(str, arguments)], capture_output=True, text=True, check=False,
                              env=environment | variables)

    def put(self, name, text):
        path = self.top / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def configure(self, text, *options):
        return self.recipe("configure", "--file", self.put("site.yaml", text), *options, self.work)

    def made(self, text, *options):
        """The settings and files of a configuration without faults."""
        ended = self.configure(text, *options)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return {path.name: path.read_bytes() for path in self.work.iterdir()}

    def refused(self, text, *messages, options=()):
        """Refused by these messages, each with a hint, and nothing left."""
        shutil.rmtree(self.work)
        self.work.mkdir()
        ended = self.configure(text, *options)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        for message in messages:
            self.assertIn(message.replace("@", str(self.top)), ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        self.assertEqual(list(self.work.iterdir()), [])
        return ended.stderr


class Configuration(Recipe):
    def test_an_empty_configuration_is_the_small_flavour(self):
        made = self.made("")
        self.assertIn(b"BUILDER_FLAVOUR=small", made["settings"])
        self.assertIn(b"linux-image-cloud-amd64\n", made["live.packages"])
        self.assertEqual(json.loads(made["recipe.json"])["console"], ["tty0", "ttyS0,115200n8"])

    def test_each_flavour_is_read_for_each_architecture(self):
        for path in (SCRIPTS / "flavours").glob("*.yaml"):
            for architecture, kernel in (("amd64", b"-amd64\n"), ("arm64", b"-arm64\n")):
                made = self.made("", "--flavour", path.stem, "--architecture", architecture)
                self.assertIn(f"BUILDER_FLAVOUR={path.stem}\n".encode(), made["settings"])
                self.assertIn(kernel, made["live.packages"].splitlines(keepends=True)[0])

    def test_a_site_adds_to_its_flavour(self):
        self.put("motd", "hello\n")
        made = self.made("flavour: hardware\npackages: [tcpdump, 'curl=7.88.1-10+deb12u12', tcpdump]\nkernelArguments: ['ds=nocloud;x', quiet]\n"
                         "console: [ttyS1]\ncompression: {squashfs: 19}\nfiles:\n  - {path: /etc/motd, source: motd, mode: 0640}\n")
        self.assertEqual(made["live.packages"].count(b"tcpdump"), 1)
        self.assertIn(b"cloud-init\n", made["live.packages"])
        self.assertIn(b"BUILDER_SQUASHFS_LEVEL=19\nexport BUILDER_LAYER_LEVEL=9\n", made["settings"])
        told = json.loads(made["recipe.json"])
        self.assertEqual((told["kernelArguments"], told["console"], told["flavour"]), (["ds=nocloud;x", "quiet"], ["ttyS1"], "hardware"))
        with tarfile.open(self.work / "files.tar") as archive:
            (member,) = archive
            self.assertEqual((member.name, member.mode, member.uid, member.mtime), ("etc/motd", 0o640, 0, 1750000000))

    def test_the_command_line_has_the_last_word(self):
        made = self.made("flavour: kubernetes\narchitecture: amd64\n", "--flavour", "small", "--architecture", "arm64")
        self.assertIn(b"linux-image-cloud-arm64\n", made["live.packages"])
        self.assertNotIn(b"containerd\n", made["live.packages"])

    def test_files_are_the_same_bytes_whatever_their_dates(self):
        self.put("a", "1")
        text = "files:\n  - {path: /b, source: a}\n  - {path: /a, source: a}\n"
        before = self.made(text)["files.tar"]
        os.utime(self.top / "a", (1, 1))
        self.assertEqual(self.made(text)["files.tar"], before)

    def test_unknown_keys_are_named_with_their_place(self):
        said = self.refused("suite: bookworm\ncolour: red\n", "@/site.yaml:2:1: the configuration: unknown key 'colour'")
        self.assertIn("hint: keys here are flavour, suite,", said)
        self.refused("compression: {zip: 1}\n", ":1:15: compression: unknown key 'zip'")
        self.refused("suite: a\nsuite: b\n", ":2:1: the configuration: 'suite' is there twice")

    def test_all_faults_are_told_at_once(self):
        said = self.refused("packages: curl\nkernel: big\nconsole: {}\n", ":1:11: packages: text, not a list", ":2:9: kernel: 'big' is not allowed",
                            ":3:10: console: a mapping, not a list")
        self.assertEqual(said.count("hint:"), 3)

    def test_wrong_types_are_named(self):
        self.refused("[a]\n", ":1:1: the configuration: a list, not a mapping")
        self.refused("suite: [a]\n", "suite: a list, not text")
        self.refused("suite:\n", "suite: empty, not text")
        self.refused("compression: {squashfs: fast}\n", "compression.squashfs: 'fast' is not allowed", "hint: a number from 1 to 22")
        self.refused("compression: {layers: []}\n", "compression.layers: a list, not a number")
        self.refused("packages: [!!python/object:os.x y]\n", "packages[0]: a value with the tag")

    def test_what_is_no_name_of_a_package_is_refused(self):
        for name in ("foo;rm", "$(id)", "foo bar", "-o", "foo-", "../foo", "foo/bookworm", "?essential", "foo=1;2", "Foo", "a"*3 + "\\n"):
            self.refused(f"packages: [{json.dumps(name)}]\n", ":1:12: packages[0]: ")

    def test_kernel_arguments_cannot_end_their_word(self):
        for argument in ("a b", "a'b", 'a"b', "a\\b", "a$b", "a\nb", "a|b", "a{b", "ä", ""):
            self.refused(f"kernelArguments: [{json.dumps(argument)}]\n", "kernelArguments[0]: ")

    def test_paths_outside_and_missing_sources_are_refused(self):
        self.put("a", "1")
        for path in ("etc/x", "/etc/../x", "/", "/a//b", "/a/", "/a\\nb"):
            self.refused(f'files: [{{path: "{path}", source: a}}]\n', "files[0].path: ", "is not a path within the node's root")
        for path in ("/run/x", "/proc/x", "/var/cache/x", "/boot"):
            self.refused(f"files: [{{path: {path}, source: a}}]\n", "would not be on the node")
        self.refused("files: [{path: /x, source: none}]\n", ":1:28: files[0].source: @/none: not there")
        self.refused("files: [{path: /x, source: .}]\n", "files[0].source: @: not a file that can be read")
        self.refused("files: [{path: /x}]\n", "files[0]: no `source`")
        self.refused("files: [{path: /x, source: a, mode: 888}]\n", "files[0].mode: '888' is not a mode")
        self.refused("files: [{path: /x, source: a}, {path: /x, source: a}]\n", "files: /x is there twice")

    def test_flavours_that_are_not_there_are_refused(self):
        self.refused("flavour: huge\n", "flavour 'huge': not there", "hint: there are hardware, kubernetes, small")
        self.refused("", "flavour '../x': not there", options=("--flavour", "../x"))

    def test_what_is_not_yaml_is_refused(self):
        for text in ("a: [", b"\xff\xfe\x00", "\t", "a: b: c", "- " * 20000, "a: &a [*a", "a\0b", "--- 1\n--- 2\n"):
            self.refused(text, "@/site.yaml")
        self.refused("packages: &a [*a]\n", "packages[0]: a list, not text")
        self.refused("#" * (1 << 20) + "\n", "larger than 1 MiB")
        self.assertIn("none.yaml: No such file", self.recipe("configure", "--file", self.top / "none.yaml", self.work).stderr)


class Documents(Recipe):
    def test_the_example_of_the_readme_is_a_configuration(self):
        section = (SCRIPTS.parents[1] / "README.md").read_text().partition("## The builder image")[2]
        self.put("kubernetes.asc", ARMOURED)
        self.put("motd", "hello\n")
        (self.top / "images").mkdir()
        with tarfile.open(self.top / "images/pause.tar", "w") as archive:
            archive.addfile(tarfile.TarInfo("index.json"), io.BytesIO())
        text = section.partition("```yaml\n")[2].partition("```")[0]
        made = self.made(text)
        self.assertIn(b"kubelet\n", made["live.packages"])
        # every key is shown
        keys = self.refused("x: 1\n", "unknown key").partition("keys here are ")[2].strip().split(", ")
        self.assertEqual([key for key in keys if f"\n{key}:" not in f"\n{text}"], [])

    def test_the_dockerfile_runs_scripts_that_are_there(self):
        named = re.findall(r"/src/scripts/(\S+)", (SCRIPTS / "Dockerfile").read_text())
        self.assertGreaterEqual(len(named), 3)
        for name in named:
            self.assertTrue(os.access(SCRIPTS.parent / name, os.X_OK), name)

    def test_an_unpacked_layout_has_every_layer(self):
        for name, member in (("tools.x", "usr/a"), ("live.x", "usr/b")):
            (self.top / name).mkdir()
            with tarfile.open(self.top / name / "layer.tar", "w") as archive:
                archive.addfile(tarfile.TarInfo(member), io.BytesIO())
            (self.top / name / "diff_id").write_text("0" * 64)
        (self.top / "out").mkdir()
        subprocess.run([sys.executable, SCRIPTS / "image_layout.py", self.top / "layout", self.top / "tools.x", self.top / "live.x"], check=True,
                       env={"SOURCE_DATE_EPOCH": "1"})
        subprocess.run([SCRIPTS / "unpack.py", self.top / "layout", self.top / "out"], check=True)
        self.assertEqual(sorted(os.listdir(self.top / "out/usr")), ["a", "b"])


class Sources(Recipe):
    def test_a_source_has_its_key_from_a_file_or_within(self):
        key = self.put("key.asc", ARMOURED)
        made = self.made(f"{SOURCE}    Signed-By: key.asc\n")
        self.assertIn(f"Signed-By: {key}\n".encode(), made["sources"])
        within = "    Signed-By:\n" + "".join(f"     {line or '.'}\n" for line in ARMOURED.splitlines())
        self.assertIn(b"\n -----BEGIN PGP", self.made(SOURCE + within)["sources"].replace(b"  ", b" "))
        self.put("x.sources", "Types: deb\nURIs: http://registry.example/\nSuites: ./\nTrusted: yes\n")
        self.assertIn(b"Suites: ./", self.made("sources: [x.sources]\n")["sources"])

    def test_missing_and_wrong_keys_are_named(self):
        self.refused(SOURCE, "@/site.yaml:2:5: sources[0]: no Signed-By", "hint: Signed-By: the path")
        self.refused(SOURCE + "    Signed-By: none.gpg\n", "sources[0]: Signed-By: @/none.gpg: No such file")
        self.put("key.gpg", ARMOURED)
        self.refused(SOURCE + "    Signed-By: key.gpg\n", "key.gpg: an armoured key, whose name has to end with .asc")
        self.put("key.asc", "<html>")
        self.refused(SOURCE + "    Signed-By: key.asc\n", "key.asc: not an OpenPGP public key")

    def test_wrong_sources_are_named(self):
        for text, message in (("Types: deb", "no URIs"), ("Colour: red", "'Colour' is not a field"), ("URIs: ftp://x\nSuites: a", "'ftp://x' is not http"),
                              ("URIs: http://x\nSuites: a", "no Components"), ("URIs: http://x\nURIs: http://y", "URIs is there twice"),
                              ("Types: deb-src\nURIs: http://x\nSuites: ./", "'deb-src' is not deb"), (" x", "continues nothing"), ("", "empty"),
                              ("deb http://x y z", "is not a field")):
            self.refused(f"sources: [{json.dumps(text)}]\n", f"@/site.yaml:1:11: sources[0]: ", message)
        self.refused("sources: [none.sources]\n", "@/none.sources: No such file")
        self.refused("sources: [3]\n", "sources[0]: a number, not text")

    def test_mirrors_may_be_given_by_their_uris(self):
        made = self.made("suite: trixie\nmirrors: ['http://registry.example/debian', 'http://registry.example/debian-security/20250520T000000Z']\n")
        self.assertIn(b"URIs: http://registry.example/debian\nSuites: trixie trixie-updates\n", made["mirrors"])
        self.assertIn(b"Suites: trixie-security\n", made["mirrors"])
        self.assertEqual(made["mirrors"].count(b"Check-Valid-Until: no"), 1)


class Images(Recipe):
    def archive(self, name, member):
        with tarfile.open(self.top / "images" / name, "w") as archive:
            archive.addfile(tarfile.TarInfo(member), io.BytesIO())

    def test_a_directory_of_archives_goes_to_the_node(self):
        (self.top / "images").mkdir()
        self.archive("a.tar", "index.json")
        self.archive("b.tar", "./manifest.json")
        self.made("flavour: kubernetes\nimages: images\n")
        with tarfile.open(self.work / "files.tar") as archive:
            self.assertLessEqual({"var/lib/airship/images/a.tar", "var/lib/airship/images/b.tar"}, set(archive.getnames()))

    def test_what_is_no_archive_of_images_is_refused(self):
        self.refused("images: images\n", ":1:9: images: @/images: not a directory")
        (self.top / "images").mkdir()
        self.refused("images: images\n", "images: @/images: empty")
        self.archive("a.tar", "other")
        self.put("images/b.tar", "no archive")
        self.put("images/c.txt", "")
        self.refused("images: images\n", "a.tar: not an archive of container images: neither index.json", "b.tar: not an archive", "c.txt: its name does not end with .tar")


class Locks(Recipe):
    def setUp(self):
        super().setUp()
        self.debs = self.top / "debs"
        self.debs.mkdir()
        self.package = {"name": "foo", "version": "1:2-1", "architecture": "all", "source": "foo 2-1", "sha256": hashlib.sha256(b"deb").hexdigest()}
        self.body = {"form": 1, "suite": "bookworm", "architecture": "amd64", "request": {root: ["foo"] for root in ROOTS}, "host": {},
                     "packages": {"live": [self.package], "tools": [], "boot": []}}
        for root in ROOTS:
            (self.work / f"{root}.packages").write_text("foo\n")

    def lock(self):
        return self.put("x.lock", json.dumps(self.body))

    def compare(self, **variables):
        ended = self.recipe("compare", self.lock(), self.work, **variables)
        self.assertNotIn("Traceback", ended.stderr)
        return ended.returncode, ended.stderr

    def test_a_lock_for_the_same_request_is_taken_and_is_written_alike(self):
        self.assertEqual(self.compare()[0], 0)
        self.assertEqual(json.loads((self.work / "builder.lock").read_text()), self.body)
        first = (self.work / "builder.lock").read_bytes()
        shutil.copy(self.work / "builder.lock", self.top / "y.lock")
        self.recipe("compare", self.top / "y.lock", self.work)
        self.assertEqual((self.work / "builder.lock").read_bytes(), first)

    def test_a_lock_for_another_request_is_refused_by_what_differs(self):
        (self.work / "live.packages").write_text("bar\nfoo\n")
        (self.work / "tools.packages").write_text("")
        status, said = self.compare(BUILDER_SUITE="trixie", BUILDER_ARCHITECTURE="arm64")
        self.assertEqual(status, 2)
        for row in ("suite: locked bookworm, configured trixie", "architecture: locked amd64, configured arm64", "bar: configured, not locked",
                    "foo: locked, not configured", "hint: "):
            self.assertIn(row, said)
        self.assertFalse((self.work / "builder.lock").exists())

    def test_another_program_of_the_host_is_a_warning(self):
        self.body["host"] = {"mmdebstrap": "0.0"}
        status, said = self.compare()
        self.assertEqual(status, 0)
        self.assertIn("warning: mmdebstrap is ", said)

    def test_locks_that_are_none_are_refused_with_the_place(self):
        for change, message in (({"form": 2}, "not a lock file of form 1"), ({"suite": 1}, "suite: missing, or of another type"),
                                ({"packages": {"live": []}}, "packages: not lists for"), ({"packages": {root: ["x"] for root in ROOTS}}, "packages.live[0]: not a package")):
            kept, self.body = self.body, self.body | change
            status, said = self.compare()
            self.assertEqual(status, 2)
            self.assertIn(f"x.lock: {message}", said)
            self.body = kept
        for key, value in (("name", "../foo"), ("version", "1/2"), ("sha256", "0"), ("architecture", "a/b"), ("source", 3)):
            kept, self.package[key] = self.package[key], value
            self.assertIn(f"packages.live[0].{key}: {value!r} is not allowed", self.compare()[1])
            self.package[key] = kept
        for text in ("", "[]", "{", "[" * 100000):
            ended = self.recipe("compare", self.put("x.lock", text), self.work)
            self.assertEqual((ended.returncode, "Traceback" in ended.stderr), (2, False))

    def test_packages_that_are_not_saved_as_locked_are_named(self):
        ended = self.recipe("missing", self.lock(), self.debs)
        self.assertEqual(ended.stdout, "foo=1:2-1\n")
        saved = self.debs / "foo_1%3a2-1_all.deb"
        saved.write_bytes(b"deb")
        self.assertEqual(self.recipe("missing", self.lock(), self.debs).stdout, "\n")
        saved.write_bytes(b"other")
        ended = self.recipe("missing", "--refuse", self.lock(), self.debs)
        self.assertEqual(ended.returncode, 2)
        self.assertIn(f"  foo 1:2-1 all (sha256 {self.package['sha256']})", ended.stderr)
        self.assertFalse(saved.exists())

    def test_the_inventory_lists_the_live_root(self):
        self.assertEqual(self.recipe("inventory", self.lock(), self.top / "out").returncode, 0)
        self.assertEqual(json.loads((self.top / "out").read_text()), [self.package | {"license": None}])

    def test_what_apt_says_becomes_a_lock(self):
        (self.work / "live.simulation").write_text("Inst foo (1:2-1 Debian:12.1/stable [all])\nInst bar (3 x:y/z, a:b [amd64]) []\nConf foo (1:2-1 x [all])\n")
        (self.work / "tools.simulation").write_text("Inst bar (3 x [amd64])\n")
        sums = ["0" * 64, "1" * 64]
        stanzas = (f"Package: foo\nVersion: 1:2-1\nArchitecture: all\nSource: src (2-1)\nSHA256: {sums[0]}\nDescription: x\n y: z\n\n"
                   f"Package: bar\nVersion: 3\nArchitecture: amd64\nSHA256: {sums[1]}\n\n")
        for root in ROOTS:
            (self.work / f"{root}.stanzas").write_text(stanzas)
        ended = self.recipe("write-lock", self.work)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        made = json.loads((self.work / "builder.lock").read_text())["packages"]
        self.assertEqual([(item["name"], item["source"], item["sha256"]) for item in made["live"]], [("bar", "bar 3", sums[1]), ("foo", "src 2-1", sums[0])])
        self.assertEqual(len(made["tools"]), 1)


class CommandLine(Recipe):
    def build(self, *arguments, **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.top), "BUILDER_CACHE": str(self.top / "cache")}
        return subprocess.run([SCRIPTS / "build.sh", *map(str, arguments)], capture_output=True, text=True, check=False, env=environment | variables)

    def refused(self, *arguments, status=2, **variables):
        out = self.top / "out"
        ended = self.build(*arguments, out, **variables)
        self.assertEqual(ended.returncode, status, ended.stderr)
        self.assertIn("hint: ", ended.stderr)
        # neither an image nor anything begun
        self.assertFalse(out.exists())
        self.assertEqual([path.name for path in self.top.glob("cache/builder-layers/*")], ["lock"] if (self.top / "cache").exists() else [])
        return ended.stderr

    def test_help_names_every_option(self):
        said = self.build("--help").stdout
        for option in ("--config", "--flavour", "--architecture", "--locked", "--update", "BUILDER_CACHE"):
            self.assertIn(option, said)

    def test_wrong_command_lines_are_refused(self):
        for arguments in (["--colour"], ["-c"], ["--locked", "a", "--update"], ["a"]):
            ended = self.build(*arguments, *([] if arguments == ["-c"] else ["b"]))
            self.assertEqual(ended.returncode, 2, ended.stderr)
            self.assertIn("hint: ", ended.stderr)

    def test_variables_of_former_times_are_refused_with_what_took_their_place(self):
        self.assertIn("BUILDER_KERNEL is not read any more", self.refused(BUILDER_KERNEL="generic"))

    def test_wrong_values_on_the_command_line_and_in_the_environment_are_refused(self):
        self.assertIn("--architecture: 'mips' is not allowed\n  hint: one of amd64, arm64\n", self.refused("--architecture", "mips"))
        for name, values in {"SOURCE_DATE_EPOCH": ["x", "-5", "1.5", "4294967296", "9" * 5000, "٣"], "BUILDER_MODE": ["chroot"],
                             "BUILDER_SUITE": ["../etc", "a b", "$(id)"]}.items():
            for value in values:
                self.assertIn(f"{name}: {value!r} is not allowed\n  hint: ", self.refused(**{name: value}))

    def test_a_faulty_configuration_ends_before_anything_is_fetched(self):
        self.assertIn("site.yaml:1:1: the configuration: unknown key 'x'", self.refused("-c", self.put("site.yaml", "x: 1\n")))

    def test_a_mirror_that_is_not_there_is_named(self):
        path = self.put("site.yaml", f"mirrors: ['file:{self.top}/nothing']\n")
        self.assertIn(f"file:{self.top}/nothing", self.refused("-c", path, status=4))

    def test_an_architecture_that_cannot_be_run_is_refused_with_the_way_out(self):
        host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
        other = "arm64" if host == "amd64" else "amd64"
        # whatever this host has
        answer = self.put("bin/arch-test", "#!/bin/sh\necho $1: not supported on this machine/kernel\nexit 1\n")
        answer.chmod(0o755)
        said = self.refused("--architecture", other, status=5, PATH=f"{answer.parent}:{os.environ['PATH']}")
        self.assertIn(f"{other}: its packages cannot be configured on this {host} host: ", said)


if __name__ == "__main__":
    unittest.main()
