//! `save` and `load`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::common::image::{Compression, index_of, noise, tar};
use super::*;

/// Names of the members with modes, owners and times.
fn members(archive: &[u8]) -> Vec<(String, u32, u64, u64)> {
    let mut archive = tar::Archive::new(archive);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
    };
    archive.entries().unwrap().map(member).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Bench {
    fn save(&self, references: &[&str]) -> PathBuf {
        let file = self.path("out.tar");
        self.good(&[&["save"], references, &[file.to_str().unwrap()]].concat());
        file
    }
}

#[test]
fn what_was_saved_loads_with_the_same_digests() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    let file = bench.save(&[NAME, OTHER]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let elsewhere = Bench::new();
    let loaded = elsewhere.json(&["load", file.to_str().unwrap()]);
    assert_eq!(
        loaded["images"][0],
        serde_json::json!({ "reference": OTHER, "digest": sibling().manifest.digest })
    );
    assert_eq!(loaded["images"][1]["digest"], image().manifest.digest);
    assert_eq!(elsewhere.good(&["verify"]), bench.good(&["verify"]));
    assert_eq!(elsewhere.blobs(), 7);
}

#[test]
fn an_archive_is_the_same_bytes_whatever_the_order() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    let one = fs::read(bench.save(&[NAME, OTHER])).unwrap();
    let elsewhere = Bench::new();
    elsewhere.load(&Layout::new().named(OTHER, &sibling()));
    elsewhere.load(&Layout::new().named(NAME, &image()));
    let output = elsewhere.run(&["save", OTHER, NAME, OTHER, "-"]);
    assert!(output.status.success() && output.stdout == one, "{}", stderr(&output));
    let members = members(&one);
    let paths: Vec<&str> = members.iter().map(|member| member.0.as_str()).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(paths.len(), 7 + 2 + 2);
    assert!(
        members.iter().all(|(_, mode, uid, mtime)| (*uid, *mtime) == (0, 0) && matches!(mode, 0o644 | 0o755))
    );
}

#[test]
fn all_stored_platforms_of_an_index_and_images_by_digest_are_saved() {
    let two = TestImage::new().platform("linux/riscv64").layer(&[Entry::file("a", "b")]).build();
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    bench.load(&Layout::new().index(NAME, &[&image(), &two]));
    elsewhere.good(&["load", bench.save(&[NAME]).to_str().unwrap()]);
    let listed = |bench: &Bench| {
        let mut listed = bench.json(&["ls"])["images"].as_array().unwrap().clone();
        listed.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("cache")));
        listed
    };
    assert_eq!(listed(&elsewhere), listed(&bench));
    let pinned = format!("registry.example/team/builder@{}", index_of(&[&image(), &two]).digest);
    let elsewhere = Bench::new();
    elsewhere.good(&["load", bench.save(&[&pinned]).to_str().unwrap()]);
    elsewhere.good(&["verify", &pinned]);
    assert!(elsewhere.good(&["ls"]).starts_with(&pinned));
}

#[test]
fn other_tools_read_what_was_saved() {
    let bench = Bench::with(&image());
    let source = format!("oci-archive:{}:{NAME}", bench.save(&[NAME]).display());
    let output = Command::new("skopeo").args(["inspect", "--format", "{{.Digest}}", &source]).output();
    let output = output.expect("skopeo is installed by scripts/setup.sh test");
    assert_eq!(stdout(&output).trim(), image().manifest.digest, "{}", stderr(&output));
}

#[test]
fn a_damaged_or_missing_blob_is_not_saved_and_no_file_is_left() {
    for blob in image().blobs() {
        for spoil in [true, false] {
            let bench = Bench::with(&image());
            let path = bench.blob(&blob.digest);
            if spoil {
                damage(&path)
            } else {
                fs::remove_file(&path).unwrap()
            };
            fs::create_dir(bench.path("out")).unwrap();
            let file = bench.path("out/image.tar");
            fs::write(&file, "older").unwrap();
            let said = bench.bad(&["save", NAME, file.to_str().unwrap()], 4, blob.digest.split_at(7).1);
            assert!(said.contains("--repair"), "{said}");
            assert_eq!(names(&bench.path("out")), ["image.tar"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), "older");
        }
    }
}

#[test]
fn saving_refuses_what_cannot_be_meant() {
    let bench = Bench::with(&image());
    let cache = bench.cache("index.json");
    bench.bad(&["save", OTHER, "x.tar"], 4, "has it not");
    bench.bad(&["save", NAME], 2, "Usage");
    bench.bad(&["save", NAME, cache.to_str().unwrap()], 2, "in the rootfs cache");
    bench.bad(&["save", NAME, "/dev/null"], 2, "no regular file");
    bench.bad(&["save", NAME, "not/there/x.tar"], 2, "not/there/x.tar");
    bench.bad(&["save", NAME, "-", "--output", "json"], 2, "--output");
    bench.good(&["verify"]);
}

#[test]
fn a_reader_that_goes_away_ends_a_save_with_an_error() {
    let layer = Entry::file("noise", noise(4 << 20));
    let bench = Bench::with(&TestImage::new().layer(&[layer]).build());
    let mut command = bench.0.command(&["image", "save", NAME, "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("Broken pipe"), "{}", stderr(&output));
}

/// What [`NAME`] is in an archive of docker's.
const DOCKER_NAME: &str = "registry.example/team/builder:1";

/// An image with plain layers, as docker saves them.
fn plain() -> Built {
    TestImage::new()
        .layer_as(Compression::None, &[Entry::dir("etc"), Entry::file("etc/motd", "lower")])
        .layer_as(Compression::None, &[Entry::file("etc/motd", "upper")])
        .build()
}

fn hex(digest: &str) -> &str {
    digest.split_once(':').unwrap().1
}

/// The members that `docker save` writes for [`plain`].
struct Docker {
    manifest: Value,
    members: Vec<Entry>,
}

impl Docker {
    fn new() -> Self {
        let image = plain();
        let config = format!("{}.json", hex(&image.config.digest));
        let mut members = vec![Entry::file(&config, &image.config.bytes)];
        for (name, layer) in ["one", "two"].iter().zip(&image.layers) {
            members.push(Entry::dir(name));
            members.push(Entry::file(&format!("{name}/VERSION"), "1.0"));
            members.push(Entry::file(&format!("{name}/json"), "{}"));
            members.push(Entry::file(&format!("{name}/layer.tar"), &layer.bytes));
        }
        members.push(Entry::file("repositories", "{}"));
        let manifest = serde_json::json!([{
            "Config": config, "RepoTags": [DOCKER_NAME, "other:2"], "Layers": ["one/layer.tar", "two/layer.tar"],
        }]);
        Self { manifest, members }
    }

    /// With the manifest last, as docker writes it.
    fn archive(&self) -> Vec<u8> {
        let manifest = Entry::file("manifest.json", self.manifest.to_string());
        tar(&[self.members.as_slice(), &[manifest]].concat())
    }
}

impl Bench {
    /// Feeds an archive to standard input.
    fn feed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.0.command(&["image", "load", "-"]);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // it may stop reading early, and then says why
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// An archive that is refused with this word, and leaves nothing.
    fn refuses(&self, input: &[u8], word: &str) {
        let output = self.feed(&[], input);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{word}: {said}");
        assert!(said.contains("loading standard input") && said.contains(word), "{word:?} is not in: {said}");
        assert_eq!((self.blobs(), self.partials(), self.good(&["ls"])), (0, 0, String::new()), "{said}");
    }
}

#[test]
fn an_archive_is_loaded_from_a_pipe() {
    let bench = Bench::with(&image());
    let archive = bench.run(&["save", NAME, "-"]).stdout;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let elsewhere = Bench::new();
        let output = elsewhere.feed(&[], &compression.apply(&archive));
        assert_eq!(stdout(&output), format!("{NAME}@{}\n", image().manifest.digest), "{}", stderr(&output));
        assert_eq!(elsewhere.partials(), 0);
        elsewhere.good(&["verify"]);
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_leaves_nothing() {
    let archive = Layout::new().named(NAME, &image()).archive();
    let bench = Bench::new();
    bench.refuses(b"", "not an OCI archive");
    for cut in [100, 512, 600, archive.len() / 2, archive.len() - 1500] {
        bench.refuses(&archive[..cut], "");
    }
    let mut changed = archive;
    changed[520] ^= 1;
    bench.refuses(&changed, "expected sha256:");
}

#[test]
fn a_silent_pipe_is_left_at_once_when_a_signal_comes() {
    let bench = Bench::new();
    let fifo = bench.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for source in ["-", fifo.to_str().unwrap()] {
        let mut command = bench.0.command(&["image", "load", source]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        while !bench.cache(".partial/load-0").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
        assert_eq!(bench.partials(), 0);
    }
}

#[test]
fn an_archive_is_loaded_from_a_fifo() {
    let bench = Bench::new();
    let fifo = bench.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::write(fifo, Layout::new().named(NAME, &image()).archive()))
    };
    bench.good(&["load", fifo.to_str().unwrap()]);
    writer.join().unwrap().unwrap();
    bench.good(&["verify", NAME]);
}

#[test]
fn a_docker_archive_is_converted_and_keeps_configuration_and_layers() {
    let bench = Bench::new();
    let output = bench.feed(&[], &Docker::new().archive());
    let loaded = stdout(&output);
    let names: Vec<&str> = loaded.lines().map(|line| line.split('@').next().unwrap()).collect();
    assert_eq!(names, [DOCKER_NAME, "docker.io/library/other:2"], "{}", stderr(&output));
    let shown = bench.json(&["inspect", DOCKER_NAME]);
    for (shown, layer) in shown["layers"].as_array().unwrap().iter().zip(&plain().layers) {
        assert_eq!(
            (&shown["digest"], &shown["diffId"]),
            (&layer.digest.clone().into(), &layer.digest.clone().into())
        );
        assert_eq!(shown["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    }
    assert!(bench.blob(&plain().config.digest).exists());
    assert_eq!((bench.blobs(), bench.partials()), (4, 0));
    bench.good(&["verify"]);
    let elsewhere = Bench::new();
    let file = bench.save(&[DOCKER_NAME]);
    assert!(loaded.contains(elsewhere.good(&["load", file.to_str().unwrap()]).trim()));
}

#[test]
fn a_docker_archive_without_names_or_with_two_takes_the_one_that_is_given() {
    for tags in [Value::Null, serde_json::json!(["<none>:<none>"]), serde_json::json!(["a:1", "b:2"])] {
        let (bench, mut docker) = (Bench::new(), Docker::new());
        docker.manifest[0]["RepoTags"] = tags.clone();
        if tags[1].is_null() {
            let output = bench.feed(&[], &docker.archive());
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(stderr(&output).contains("--name"));
        }
        let output = bench.feed(&["--name", OTHER], &docker.archive());
        assert!(
            stdout(&output).starts_with(OTHER) && stdout(&output).lines().count() == 1,
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn links_to_layers_and_compressed_layers_are_taken() {
    let bench = Bench::new();
    let layer = TestImage::new().layer_as(Compression::None, &[Entry::file("a", "b")]);
    let twice = layer.layer_as(Compression::None, &[Entry::file("a", "b")]).build();
    for link in [
        Entry::symlink("two/layer.tar", "../one/layer.tar"),
        Entry::hard_link("two/layer.tar", "one/layer.tar"),
    ] {
        let mut docker = Docker::new();
        docker.manifest[0]["Config"] = "config.json".into();
        docker.members = vec![
            Entry::file("config.json", &twice.config.bytes),
            link,
            Entry::file("one/layer.tar", Compression::Gzip.apply(&twice.layers[0].bytes)),
        ];
        let output = bench.feed(&[], &docker.archive());
        assert!(output.status.success(), "{}", stderr(&output));
        let shown = bench.json(&["inspect", DOCKER_NAME]);
        assert_eq!(shown["layers"][1]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
        assert_eq!(shown["layers"][0]["digest"], shown["layers"][1]["digest"]);
    }
    unpacks(&bench, DOCKER_NAME);
}

/// The layers are what the configuration says.
fn unpacks(bench: &Bench, name: &str) {
    use airshipctl::image::rootfs::{Mapping, Ownership, Unpack, unpack, verified};
    use airshipctl::image::{Platform, Reference, Store};
    let store = Store::open(&bench.path("cache")).unwrap();
    let image = store.find(&Reference::parse(name).unwrap(), &Platform::host()).unwrap().unwrap();
    let mapping = Mapping::single(nix::unistd::geteuid().as_raw());
    let (ownership, layers) = (Ownership::Own, image.layers.as_slice());
    let job = Unpack { cache: store.path(), mapping: &mapping, ownership, layers };
    unpack(&job, &|_, layer| verified(store.open_blob(layer)?, layer), None).unwrap();
}

#[test]
fn hostile_docker_archives_are_refused_by_name() {
    type Edit = fn(&mut Docker);
    let cases: [(Edit, &str); 13] = [
        (|it| it.manifest = serde_json::json!([]), "holds no image"),
        (|it| it.manifest = serde_json::json!({ "Config": 1 }), "reading manifest.json"),
        (|it| it.manifest[0]["Config"] = "other.json".into(), "\"other.json\", which manifest.json names"),
        (
            |it| it.manifest[0]["Layers"] = serde_json::json!(["one/layer.tar"]),
            "1 layers but its configuration 2",
        ),
        (|it| it.manifest[0]["Layers"][1] = "../../etc/passwd".into(), "is not in it"),
        (|it| it.manifest[0]["Layers"][1] = "one/layer.tar".into(), "its configuration says"),
        (|it| it.manifest[0]["RepoTags"][0] = "Not A Name".into(), "RepoTags"),
        (|it| it.members.push(Entry::file("one/layer.tar", "again")), "it is there twice"),
        (|it| it.members.push(Entry::fifo("three/layer.tar")), "not a regular file"),
        (
            |it| it.members[0] = Entry::file(&format!("{}.json", hex(&plain().config.digest)), "{}"),
            "has digest",
        ),
        (
            |it| {
                it.manifest[0]["Layers"][1] = "l.tar".into();
                it.members.push(Entry::symlink("l.tar", "../../etc/passwd.tar"));
            },
            "leads out of it",
        ),
        (
            |it| {
                it.manifest[0]["Layers"][1] = "l.tar".into();
                it.members.push(Entry::symlink("l.tar", "l.tar"));
            },
            "leads to itself",
        ),
        (
            |it| it.members.extend((0..10_000).map(|n| Entry::file(&format!("{n}.tar"), ""))),
            "more than 10000",
        ),
    ];
    let bench = Bench::new();
    for (edit, word) in cases {
        let mut docker = Docker::new();
        edit(&mut docker);
        bench.refuses(&docker.archive(), word);
    }
}

#[test]
fn what_skopeo_writes_for_docker_is_loaded() {
    let bench = Bench::with(&image());
    let source = format!("oci:{}:{NAME}", bench.path("cache").display());
    let file = bench.path("docker.tar");
    let target = format!("docker-archive:{}:{NAME}", file.display());
    let output = Command::new("skopeo").args(["--insecure-policy", "copy", &source, &target]).output();
    let output = output.expect("skopeo is installed by scripts/setup.sh test");
    assert!(output.status.success(), "{}", stderr(&output));
    let elsewhere = Bench::new();
    assert!(elsewhere.good(&["load", file.to_str().unwrap()]).starts_with(NAME));
    elsewhere.good(&["verify"]);
    unpacks(&elsewhere, NAME);
}
