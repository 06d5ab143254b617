//! The documents of a context.

use super::*;

#[test]
fn each_shape_has_its_layout() {
    for (manifest, directory) in [
        ("target-path: /T, sub-path: s/t", "T/s/t/ephemeral"),
        ("target-path: /T, sub-path: s/t", "T/s/t/ephemeral/bootstrap"),
        ("targetPath: /T, subPath: s/t", "T/s/t/ephemeral/bootstrap"),
        ("targetPath: ../T", "T/ephemeral/bootstrap"),
        ("targetPath: ~/T, subPath: /s", "T/s/ephemeral/bootstrap"),
        (
            "targetPath: /T, phaseRepositoryName: p, repositories: {p: {url: 'https://registry.example/x/repo.git'}}",
            "T/repo/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: m.yaml, repositories: {p: {url: 'ssh://git@registry.example:29418/repo'}}",
            "T/repo/pre/fix/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: old.yaml, primaryRepositoryName: q, repositories: {p: {}, q: {url: {Scheme: https, Path: /x/repo/}}}",
            "T/repo/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: none.yaml, subPath: s, repositories: {p: {url: repo}}",
            "T/s/ephemeral/bootstrap",
        ),
    ] {
        let home = Home::new();
        home.directory(directory);
        if manifest.contains("metadataPath") {
            home.file("T/repo/m.yaml", "spec: {phase: {path: p, docEntryPointPrefix: /pre/fix/}}\n");
            home.file("T/old.yaml", "phase: {path: p}\n");
        }
        let target = home.path("T").display().to_string();
        let text = with_manifest(
            &manifest
                .replace("/T,", &format!("{target},"))
                .replace(&format!("~{target}"), "~/T")
                .replace(&format!("..{target}"), "../T"),
        );
        let found = home.documents(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found.canonicalize().unwrap(), home.path(directory).canonicalize().unwrap(), "{text}");
    }
}

#[test]
fn documents_that_are_not_there_are_told_with_all_that_was_tried() {
    let home = Home::new();
    home.file("T/repo/ephemeral", "").file("T/s/ephemeral/bootstrap", "");
    for (manifest, says) in [
        ("", "manifest \"m\" has no `targetPath` [no-target-path]"),
        ("targetPath: ''", "manifest \"m\" has no `targetPath` [no-target-path]"),
        ("target-path: ~/T, sub-path: s", ""),
        (
            "targetPath: ~/T, subPath: s",
            "manifest \"m\" leads to no directory; tried ~/T/s/ephemeral/bootstrap (not a directory) [no-document-root]",
        ),
        (
            "targetPath: ~/T, subPath: s, metadataPath: x, repositories: {r: {url: a/repo}}",
            "manifest \"m\" leads to no directory; tried ~/T/repo/x (not there), ~/T/x (not there), \
             ~/T/repo/ephemeral/bootstrap (Not a directory (os error 20)) and ~/T/s/ephemeral/bootstrap (not a directory) [no-document-root]",
        ),
        (
            "targetPath: ~/T, metadataPath: x",
            "manifest \"m\" does not say with `phaseRepositoryName` which repository has its phases; there are none [no-repository]",
        ),
    ] {
        if says.is_empty() {
            assert!(home.documents(&with_manifest(manifest)).is_ok(), "the oldest layout");
            continue;
        }
        let expected = format!("finding the documents: ~/.airship/config:3:13: {says}");
        assert_eq!(home.shown(home.documents(&with_manifest(manifest))), expected, "{manifest}");
    }
    for (manifest, says) in [
        (
            "targetPath: x, phaseRepositoryName: a, repositories: {b: {}}",
            "3:53: there is no repository \"a\"; there is \"b\" [unknown-repository]",
        ),
        (
            "targetPath: x, phaseRepositoryName: b, repositories: {b: {}}",
            "3:71: repository \"b\" has no `url` that names its directory [no-repository-url]",
        ),
        (
            "targetPath: x, phaseRepositoryName: b, repositories: {b: {url: a/..}}",
            "3:71: repository \"b\" has no `url` that names its directory [no-repository-url]",
        ),
    ] {
        let expected = format!("finding the documents: ~/.airship/config:{says}");
        assert_eq!(home.shown(home.documents(&with_manifest(manifest))), expected, "{manifest}");
    }
    let error = home.documents(&with_manifest("targetPath: x")).unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("name the documents on the command line, or check `targetPath` and `subPath`")
    );
}

#[test]
fn metadata_that_is_wrong_is_told_with_its_place() {
    let home = Home::new();
    let manifest = with_manifest("targetPath: ~/T, metadataPath: x, repositories: {r: {url: repo}}");
    for (text, says) in [
        (
            "phase: {path: [a]}",
            "~/T/repo/x:1:15: `phase.path`: expected a string, found a list [manifest-metadata]",
        ),
        (
            "spec: {phase: a}",
            "~/T/repo/x:1:15: `spec.phase`: expected a mapping, found a string [manifest-metadata]",
        ),
        ("", "~/T/repo/x:1:1: the file is empty [manifest-metadata]"),
    ] {
        home.file("T/repo/x", text);
        assert_eq!(home.shown(home.documents(&manifest)), format!("reading the manifest metadata: {says}"));
    }
    fs::remove_file(home.path("T/repo/x")).unwrap();
    home.directory("T/repo/x");
    assert_eq!(
        home.shown(home.documents(&manifest)),
        "reading the manifest metadata: ~/T/repo/x: it is a directory [manifest-metadata]"
    );
}
