"""A lock file against a mirror that has other packages: apt's own programs ask a directory: python3 -m unittest discover tests/builder"""

import hashlib
import json
import os
import subprocess
import sys
import unittest

from test_recipe import ROOTS, SCRIPTS, Recipe


class Mirror(Recipe):
    def setUp(self):
        super().setUp()
        (self.top / "mirror").mkdir()
        self.index = []
        self.site = self.put("site.yaml", f"mirrors:\n  - |\n    URIs: file:{self.top}/mirror\n    Suites: ./\n    Trusted: yes\n")

    def package(self, name, version, says="", listed=True, there=True):
        """Makes a package, on the mirror or not, and says how a lock file names it."""
        tree = self.top / f"{name}-{version}-{says}"
        (tree / "DEBIAN").mkdir(parents=True)
        # whatever the umask
        (tree / "DEBIAN").chmod(0o755)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@registry.example>\nDescription: {says or name}\n"
        (tree / "DEBIAN/control").write_text(control)
        deb = self.top / "mirror" / f"{tree.name}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, stdout=subprocess.DEVNULL)
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        if listed:
            self.index.append(f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n")
        if not there:
            deb.unlink()
        return {"name": name, "version": version, "architecture": "all", "source": f"{name} {version}", "sha256": digest}

    def locked(self, packages):
        """Makes an image of exactly these packages, which cannot end well."""
        (self.top / "mirror/Packages").write_text("".join(self.index))
        self.assertEqual(self.recipe("configure", "--file", self.site, self.work).returncode, 0)
        request = {root: (self.work / f"{root}.packages").read_text().split() for root in ROOTS}
        body = {"form": 1, "suite": "bookworm", "architecture": "amd64", "request": request, "host": {}, "packages": {"live": packages, "tools": [], "boot": []}}
        ended = subprocess.run([SCRIPTS / "build.sh", "-c", self.site, "--architecture", "amd64", "--locked", self.put("x.lock", json.dumps(body)), self.top / "out"],
                               capture_output=True, text=True, check=False,
                               env={"PATH": os.environ["PATH"], "HOME": str(self.top), "BUILDER_CACHE": str(self.top / "cache")})
        self.assertEqual(ended.returncode, 4, ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        # neither an image nor anything begun
        self.assertEqual([path.name for path in self.top.glob("out*")], [])
        self.assertEqual([path.name for path in (self.top / "cache/builder-layers").iterdir()], ["lock"])
        return ended.stderr

    def test_what_cannot_be_had_as_locked_is_named_with_what_there_is_instead(self):
        newer, none = self.package("newer", "1", listed=False), self.package("none", "1", listed=False)
        self.package("newer", "1.1")
        rebuilt = self.package("rebuilt", "2", listed=False)
        self.package("rebuilt", "2", says="other bytes")
        gone, good = self.package("gone", "3:1", there=False), self.package("good", "4")
        said = self.locked([newer, none, rebuilt, gone, good])
        for item, instead in ((newer, "the mirrors have 1.1"), (none, "the mirrors have no version of it"),
                              (rebuilt, "the mirrors have other bytes of that version"), (gone, "listed, but could not be fetched")):
            self.assertIn(f"  {item['name']} {item['version']} all (sha256 {item['sha256']}): {instead}\n", said)
        self.assertNotIn("  good ", said)
        self.assertIn(f"\nmirrors: file:{self.top}/mirror/\n  hint: name a snapshot mirror under `mirrors`; or --update", said)
        # what there was need not be fetched again
        self.assertEqual([path.name for path in (self.top / "cache/debs").iterdir()], ["good_4_all.deb"])

    def test_mirrors_are_named_without_passwords(self):
        stand_in = self.put("bin/apt-get", "#!/bin/sh\necho https://somebody:secret@registry.example:8443/debian/ file:/srv/a@b/\n")
        stand_in.chmod(0o755)
        script = f"import sys; sys.path.insert(0, '{SCRIPTS}/recipe'); import resolving; print(*resolving.mirrors())"
        said = subprocess.run([sys.executable, "-B", "-c", script], env={"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}, capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, "file:/srv/a@b/ https://registry.example:8443/debian/\n")


if __name__ == "__main__":
    unittest.main()
