//! Documents from files, directories and kustomizations.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use airshipctl::error::{Error, ErrorKind};
use airshipctl::site::document::{DocumentSet, Source};
use tempfile::TempDir;

/// A directory with these files in it.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn read(path: &Path) -> Result<DocumentSet, Error> {
    DocumentSet::read(&Source::Path(path.to_owned()))
}

fn names(path: &Path) -> Vec<String> {
    let set = read(path).unwrap_or_else(|error| panic!("{error}"));
    set.documents().iter().map(|document| document.name().unwrap_or_default().to_owned()).collect()
}

/// The error, with the directory's name taken out.
fn refusal(directory: &TempDir, path: &str) -> String {
    let error = read(&directory.path().join(path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Documents);
    let root = format!("{}/", directory.path().display());
    let hint = error.hint_text().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}").replace(&root, "").replace(&*directory.path().to_string_lossy(), ".")
}

#[test]
fn a_file_is_read_whatever_its_name() {
    let directory = tree(&[("site", &format!("{}---\n{}", object("a"), object("b")))]);
    assert_eq!(names(&directory.path().join("site")), ["a", "b"]);
}

#[test]
fn a_plain_directory_gives_its_yaml_files_in_the_order_of_their_names() {
    let directory = tree(&[
        ("b.yml", &object("b")),
        ("a.yaml", &object("a")),
        ("notes.txt", "not: [yaml"),
        (".hidden.yaml", "not: [yaml"),
        ("sub/c.yaml", &object("c")),
        ("odd.yaml/d.yaml", &object("d")),
    ]);
    assert_eq!(names(directory.path()), ["a", "b"]);
}

#[test]
fn links_to_files_are_followed_as_mounted_config_maps_need() {
    let directory = tree(&[("..data/a.yaml", &object("a"))]);
    symlink("..data/a.yaml", directory.path().join("a.yaml")).unwrap();
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn faults_of_all_files_are_reported_together() {
    let directory = tree(&[("a.yaml", "a: ["), ("b.yaml", "kind: B\n"), ("c.yaml", &object("c"))]);
    let shown = refusal(&directory, "");
    assert!(shown.contains("\n  a.yaml:1:"), "{shown}");
    assert!(shown.contains("\n  b.yaml:1:1 (document 1): `apiVersion` is missing"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_waits() {
    let directory =
        tree(&[("empty/x.txt", ""), ("links/x.txt", ""), ("pipes/x.txt", ""), ("loop/x.txt", "")]);
    let path = |name: &str| directory.path().join(name);
    symlink("nowhere", path("links/a.yaml")).unwrap();
    symlink("a.yaml", path("loop/a.yaml")).unwrap();
    nix::unistd::mkfifo(&path("pipes/a.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (name, reason) in [
        ("missing", "missing: cannot be read: No such file"),
        ("empty", "empty: has neither a kustomization nor *.yaml files"),
        ("links", "links/a.yaml: cannot be read: No such file"),
        ("loop", "loop/a.yaml: cannot be read: Too many levels"),
        ("pipes", "pipes/a.yaml: is neither a regular file nor a directory"),
        ("pipes/a.yaml", "pipes/a.yaml: is neither a regular file nor a directory"),
    ] {
        let shown = refusal(&directory, name);
        assert!(shown.contains(reason), "{name}: {shown}");
    }
    assert!(read(Path::new("/dev/null")).unwrap_err().to_string().contains("neither a regular file"));
}

#[test]
fn an_unreadable_file_is_an_error() {
    let directory = tree(&[("a.yaml", &object("a"))]);
    fs::set_permissions(directory.path().join("a.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
    // root reads it all the same
    match nix::unistd::geteuid().is_root() {
        true => assert_eq!(names(directory.path()), ["a"]),
        false => assert!(refusal(&directory, "").contains("a.yaml: cannot be read: Permission denied")),
    }
}

#[test]
fn a_kustomization_gives_its_resources_in_the_order_of_kustomize() {
    let directory = tree(&[
        (
            "site/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: x}\nresources:\n- b.yaml\n- ../base\n- sub/a.txt\n",
        ),
        ("site/b.yaml", &object("b")),
        ("site/ignored.yaml", "not: [yaml"),
        ("site/sub/a.txt", &object("a")),
        ("base/Kustomization", "resources: [./nested, c.yaml]\n"),
        ("base/c.yaml", &object("c")),
        ("base/nested/kustomization.yml", "resources: [d.yaml]\n"),
        ("base/nested/d.yaml", &object("d")),
    ]);
    assert_eq!(names(&directory.path().join("site")), ["a", "b", "c", "d"]);
    let file = directory.path().join("site/kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}sortOptions: {{order: fifo}}\n")).unwrap();
    assert_eq!(names(&directory.path().join("site")), ["b", "d", "c", "a"]);
}

#[test]
fn fields_that_take_other_programs_are_refused_with_the_way_out() {
    let directory = tree(&[
        ("kustomization.yaml", "resources: [a.yaml]\nhelmCharts: [{name: x}]\ngenerators: [x]\n"),
        ("a.yaml", &object("a")),
    ]);
    let shown = refusal(&directory, "");
    assert!(
        shown.contains("kustomization.yaml:2:1: `helmCharts` is not supported in a kustomization"),
        "{shown}"
    );
    assert!(shown.contains("kustomization.yaml:3:1: `generators` is not supported"), "{shown}");
    assert!(shown.contains("hint: render outside and pipe: kustomize build"), "{shown}");
}

#[test]
fn bad_kustomizations_are_refused_with_their_place() {
    for (content, reason) in [
        ("", "kustomization.yaml:1:1: the file is empty"),
        ("resources: [\n", "kustomization.yaml:1:12: not YAML: unclosed bracket"),
        ("kind: Kustomization\n", "kustomization.yaml:1:1: the kustomization is empty"),
        ("resources: a.yaml\n", "kustomization.yaml:1:12: `resources`: expected a list, found a string"),
        ("resources: []\n---\nresources: []\n", "kustomization.yaml:3:1: a second document"),
        ("kind: Other\nresources: [a.yaml]\n", "kustomization.yaml:1:7: `kind`: expected Kustomization"),
        ("resources:\n- {a: b}\n", "kustomization.yaml:2:3: expected a path, found a mapping"),
        ("resources:\n- ''\n", "kustomization.yaml:2:3: expected a path"),
        ("resources:\n- none.yaml\n", "kustomization.yaml:2:3: `none.yaml` cannot be read: No such file"),
        ("resources:\n- /etc/hostname\n", "kustomization.yaml:2:3: is an absolute path"),
        ("resources:\n- ../outside.yaml\n", "`../outside.yaml` is a file outside the directory"),
        ("resources:\n- link.yaml\n", "`link.yaml` is a file outside the directory"),
        ("resources:\n- fifo\n", "`fifo` is neither a regular file nor a directory"),
        ("resources:\n- .\n", "`.` leads back to"),
        ("resources:\n- ..\n", "`..` leads back to"),
        ("resources:\n- circle\n", "`..` leads back to"),
        ("resources:\n- plain\n", "`plain` is a directory without a kustomization"),
        ("resources:\n- two\n", "`two` has more than one kustomization file"),
        ("resources:\n- https://git.example/x?ref=v1\n", "kustomization.yaml:2:3: is a remote resource"),
        ("resources:\n- git@git.example:x\n", "is a remote resource"),
        ("resources:\n- \"a\\nb\"\n", "a path with control characters"),
        (
            "resources: [a.yaml, a.yaml]\n",
            "a.yaml:1:1 (document 1): ConfigMap \"a\" is listed before, at site/a.yaml:1:1",
        ),
    ] {
        let directory = tree(&[
            ("site/kustomization.yaml", content),
            ("site/a.yaml", &object("a")),
            ("outside.yaml", &object("outside")),
            ("site/circle/kustomization.yaml", "resources: [..]\n"),
            ("site/plain/a.yaml", &object("a")),
            ("site/two/kustomization.yaml", "resources: [a.yaml]\n"),
            ("site/two/kustomization.yml", "resources: [a.yaml]\n"),
        ]);
        symlink("../outside.yaml", directory.path().join("site/link.yaml")).unwrap();
        nix::unistd::mkfifo(&directory.path().join("site/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let shown = refusal(&directory, "site");
        assert!(shown.contains(reason), "{content}: {shown}");
    }
}

#[test]
fn the_same_resource_through_two_bases_is_reported_once() {
    let directory = tree(&[
        ("top/kustomization.yaml", "resources: [../middle]\n"),
        ("middle/kustomization.yaml", "resources: [../one, ../two]\n"),
        ("one/kustomization.yaml", "resources: [a.yaml]\n"),
        ("one/a.yaml", &object("a")),
        ("two/kustomization.yaml", "resources: [a.yaml]\n"),
        // the namespace that the other one has by default
        ("two/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n"),
    ]);
    assert_eq!(refusal(&directory, "top").matches("is listed before").count(), 1);
}

#[test]
fn kustomizations_that_multiply_end_in_an_error() {
    let mut files: Vec<(String, String)> = (0..24)
        .map(|level| {
            let next = level + 1;
            let name = format!("k{level}/kustomization.yaml");
            (name, format!("resources: [../k{next}, ../k{next}]\n"))
        })
        .collect();
    files.push(("k24/kustomization.yaml".into(), "resources: [a.yaml]\n".into()));
    files.push(("k24/a.yaml".into(), "# none\n".into()));
    let borrowed: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    let directory = tree(&borrowed);
    let shown = refusal(&directory, "k0");
    assert!(shown.contains("one file too many"), "{shown}");
}

#[test]
fn a_kustomization_named_as_a_file_is_pointed_at_its_directory() {
    let directory = tree(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", &object("a"))]);
    assert!(refusal(&directory, "kustomization.yaml").contains("name the directory it is in"));
}

#[test]
fn names_with_control_characters_are_shown_escaped() {
    let directory = tree(&[("a\u{1b}[31m.yaml", "a: [")]);
    let shown = refusal(&directory, "");
    assert!(!shown.contains('\u{1b}') && shown.contains("\\u{1b}"), "{shown}");
}

#[test]
fn the_example_site_is_read() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/example-site/documents");
    assert_eq!(read(&site).unwrap().documents().len(), 5);
}

/// `airshipctl document render` with these arguments: its exit code, standard output and standard error.
fn render(directory: &TempDir, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new(env!("CARGO_BIN_EXE_airshipctl"));
    command.args(["document", "render"]).args(arguments).current_dir(directory.path());
    command.env("HOME", directory.path()).env_remove("AIRSHIPCONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // one that does not read its input may be gone already
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn rendered_documents_are_printed_as_a_stream() {
    let directory = tree(&[
        (
            "site/kustomization.yaml",
            "namePrefix: p-\nresources: [a.yaml]\nsecretGenerator: [{name: s, literals: [a=b]}]\n",
        ),
        (
            "site/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {l: v}}\ndata: {mode: '0644'}\n",
        ),
    ]);
    let map = "apiVersion: v1\ndata:\n  mode: \"0644\"\nkind: ConfigMap\nmetadata:\n  labels:\n    l: v\n  name: p-a\n";
    let secret =
        "apiVersion: v1\ndata:\n  a: Yg==\nkind: Secret\nmetadata:\n  name: p-s-k695gkmbtk\ntype: Opaque\n";
    let printed = |arguments: &[&str], input: &str| {
        let (code, out, error) = render(&directory, arguments, input);
        assert_eq!(code, Some(0), "{error}");
        out
    };
    assert_eq!(printed(&["site"], ""), format!("{map}---\n{secret}"));
    assert_eq!(printed(&["site", "--kind", "Secret"], ""), secret);
    assert_eq!(printed(&["site", "--kind", "Secret", "--kind", "ConfigMap", "-l", "l in (u,v)"], ""), map);
    assert_eq!(printed(&["site", "--kind", "Pod"], ""), "");
    assert_eq!(printed(&["-"], &format!("{secret}---\n{map}")), format!("{secret}---\n{map}"));
    assert_eq!(printed(&["site/a.yaml"], ""), map.replace("p-a", "a"));
    let json = printed(&["site", "--kind", "ConfigMap", "--output", "json"], "");
    assert!(
        json.starts_with("{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [\n    {\n"),
        "{json}"
    );
}

#[test]
fn what_cannot_be_rendered_is_told() {
    let directory = tree(&[("a.yaml", "apiVersion: v1\n")]);
    let (code, out, error) = render(&directory, &["a.yaml"], "");
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(error.ends_with("a.yaml:1:1 (document 1): `kind` is missing\n"), "{error}");
    assert_eq!(render(&directory, &["a.yaml", "--selector", "="], "").0, Some(2));
    let (code, _, error) = render(&directory, &[], "");
    assert_eq!(code, Some(2));
    assert!(error.contains("name a directory or file with the site's documents"), "{error}");
}
