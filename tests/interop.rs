//! Other tools read the cache: skopeo and umoci take its images, under their full names, whatever
//! form the registry had them in, and nothing of what we promise of digests is lost by it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use airshipctl::image::digest::sha256_hex;
use common::docker_registry::DockerRegistry;
use common::image::{Blob, Built, Compression, Entry, TestImage, index_of};
use common::site::{Site, stderr, stdout};
use serde_json::Value;

fn plain() -> TestImage {
    TestImage::new()
        .config(serde_json::json!({ "Env": ["PATH=/bin"], "Entrypoint": ["/bin/builder"] }))
        .layer(&[Entry::dir("etc"), Entry::file("etc/motd", "lower"), Entry::file("etc/gone", "")])
        .layer(&[Entry::file("etc/motd", "upper"), Entry::whiteout("etc/gone")])
}

fn docker() -> Built {
    plain().docker().layer_as(Compression::Gzip, &[Entry::file("etc/docker", "")]).build()
}

/// A cache, its program, and the other tools.
struct Cache {
    site: Site,
    registry: DockerRegistry,
}

impl Cache {
    fn new() -> Self {
        Self { site: Site::new(), registry: DockerRegistry::start() }
    }

    fn dir(&self) -> PathBuf {
        self.site.path("cache")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.site.command(&["image"]).args(arguments).output().unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// Pulls it, and makes sure that it has the registry's digest here.
    fn pull(&self, reference: &str, digest: &str) {
        let said = self.good(&["pull", reference]);
        assert!(said.trim().ends_with(digest), "{said}");
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env("TMPDIR", self.site.path(""));
        command
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; it is installed by scripts/setup.sh test"))
    }

    fn tool_good(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.tool(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Both tools read `reference` and find the layers of `image` in it.
    fn is_read_by_others(&self, reference: &str, image: &Built) {
        self.is_read_by_skopeo(&format!("oci:{}:{reference}", self.dir().display()), image);
        let bundle = self.site.path("bundle");
        let source = format!("{}:{reference}", self.dir().display());
        let mut arguments = vec!["unpack", "--image", &source, bundle.to_str().unwrap()];
        if !nix::unistd::geteuid().is_root() {
            arguments.push("--rootless");
        }
        self.tool_good("umoci", &arguments);
        assert_eq!(fs::read_to_string(bundle.join("rootfs/etc/motd")).unwrap(), "upper");
        assert!(!bundle.join("rootfs/etc/gone").exists());
        let config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
        assert_eq!(config["process"]["args"], serde_json::json!(["/bin/builder"]));
        fs::remove_dir_all(bundle).unwrap();
    }

    fn is_read_by_skopeo(&self, source: &str, image: &Built) {
        let copy = self.site.path("copy");
        let target = format!("dir:{}", copy.display());
        self.tool_good("skopeo", &["--insecure-policy", "copy", source, &target]);
        for blob in image.layers.iter().chain([&image.config]) {
            let hex = blob.digest.strip_prefix("sha256:").unwrap();
            assert_eq!(sha256_hex(&fs::read(copy.join(hex)).unwrap()), hex);
        }
        fs::remove_dir_all(copy).unwrap();
        let inspected: Value = serde_json::from_str(&self.tool_good("skopeo", &["inspect", source])).unwrap();
        let layers: Vec<&str> = image.layers.iter().map(|layer| layer.digest.as_str()).collect();
        assert_eq!(inspected["Layers"], serde_json::json!(layers));
    }

    fn blobs(&self) -> Vec<PathBuf> {
        let mut blobs: Vec<PathBuf> =
            fs::read_dir(self.dir().join("blobs/sha256")).unwrap().map(|it| it.unwrap().path()).collect();
        blobs.sort();
        blobs
    }
}

fn pinned(tagged: &str, digest: &str) -> String {
    let (name, _) = tagged.rsplit_once(':').unwrap();
    format!("{name}@{digest}")
}

/// The same list in docker's form.
fn docker_list(images: &[&Built]) -> Blob {
    let mut list: Value = serde_json::from_slice(&index_of(images).bytes).unwrap();
    let media_type = "application/vnd.docker.distribution.manifest.list.v2+json";
    list["mediaType"] = media_type.into();
    Blob::new(media_type, list.to_string().into_bytes())
}

#[test]
fn images_of_image_spec_are_read_as_the_registry_sent_them() {
    let (cache, image) = (Cache::new(), plain().build());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    let by_digest = pinned(&tagged, &image.manifest.digest);
    // what is there by digest is not named once more
    for reference in [&by_digest, &tagged] {
        cache.pull(reference, &image.manifest.digest);
        cache.is_read_by_others(reference, &image);
        let source = format!("oci:{}:{reference}", cache.dir().display());
        let digest = cache.tool_good("skopeo", &["inspect", "--format", "{{.Digest}}", &source]);
        assert_eq!(digest.trim(), image.manifest.digest);
    }
    let listed = cache.tool_good("umoci", &["list", "--layout", cache.dir().to_str().unwrap()]);
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort();
    assert_eq!(names, [tagged.as_str(), by_digest.as_str()]);
}

#[test]
fn images_of_docker_are_read_too_and_keep_the_digest_of_the_registry() {
    let (cache, image) = (Cache::new(), docker());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    let by_digest = pinned(&tagged, &image.manifest.digest);
    // what is there by digest is not named once more
    for reference in [&by_digest, &tagged] {
        cache.pull(reference, &image.manifest.digest);
        cache.is_read_by_others(reference, &image);
    }
    for row in cache.json(&["ls"])["images"].as_array().unwrap() {
        assert_eq!(row["digest"], image.manifest.digest.as_str());
    }
    // the registry's own bytes are there, and one manifest besides: the same for both names
    assert_eq!(cache.blobs().len(), image.blobs().len() + 1);
    let verified = cache.json(&["verify"]);
    assert_eq!((&verified["names"], &verified["blobs"]), (&2.into(), &(image.blobs().len() + 1).into()));
    // a tag and a digest that are there need no registry
    let Cache { site, registry } = cache;
    drop(registry);
    for reference in [&tagged, &by_digest] {
        let output = site.command(&["image", "pull", "--pull", "missing", reference]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains(&image.manifest.digest));
    }
}

#[test]
fn of_an_index_the_image_that_is_stored_is_read() {
    let other = TestImage::new().platform("linux/riscv64").layer(&[Entry::file("a", "b")]).build();
    for (image, index) in [
        (plain().build(), index_of(&[&plain().build(), &other])),
        (docker(), docker_list(&[&docker(), &other])),
        (docker(), index_of(&[&docker(), &other])),
    ] {
        let cache = Cache::new();
        let tagged = cache.registry.push_index("team/builder", "1", &[&image, &other]);
        cache.registry.push_manifest("team/builder", "1", &index);
        let by_digest = pinned(&tagged, &index.digest);
        for reference in [&tagged, &by_digest] {
            cache.good(&["pull", reference]);
            cache.is_read_by_others(reference, &image);
            cache.good(&["verify", reference]);
        }
        // pinned, the name is still the index's
        assert!(cache.good(&["rm", &by_digest]).contains(&index.digest));
    }
}

#[test]
fn what_is_saved_of_dockers_is_read_by_skopeo_and_loaded_with_its_digest() {
    let (cache, image) = (Cache::new(), docker());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    cache.pull(&tagged, &image.manifest.digest);
    let file = cache.site.path("saved.tar");
    cache.good(&["save", &tagged, file.to_str().unwrap()]);
    let first = fs::read(&file).unwrap();
    cache.is_read_by_skopeo(&format!("oci-archive:{}:{tagged}", file.display()), &image);
    let far = Cache::new();
    let loaded = far.json(&["load", file.to_str().unwrap()]);
    assert_eq!(loaded["images"][0]["digest"], image.manifest.digest.as_str());
    far.good(&["verify", &pinned(&tagged, &image.manifest.digest)]);
    far.is_read_by_others(&tagged, &image);
    let again = far.site.path("again.tar");
    far.good(&["save", &tagged, again.to_str().unwrap()]);
    assert!(fs::read(again).unwrap() == first, "the archive is not the same");
    // by name, for a directory too
    let third = Cache::new();
    third.good(&["load", cache.dir().to_str().unwrap(), "--name", "localhost/other:1"]);
    third.is_read_by_others("localhost/other:1", &image);
}

#[test]
fn prune_keeps_what_others_read_until_the_name_is_gone() {
    let (cache, image) = (Cache::new(), docker());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    cache.pull(&tagged, &image.manifest.digest);
    let before = cache.blobs();
    cache.good(&["prune", "--all"]);
    assert_eq!(cache.blobs(), before);
    cache.is_read_by_others(&tagged, &image);
    // pulled again it is the same, and another image takes the name from both
    cache.pull(&tagged, &image.manifest.digest);
    assert_eq!(cache.blobs(), before);
    let newer = plain().build();
    cache.registry.push("team/builder", "1.0", &newer);
    cache.pull(&tagged, &newer.manifest.digest);
    cache.is_read_by_others(&tagged, &newer);
    cache.good(&["prune"]);
    assert_eq!(cache.blobs().len(), newer.blobs().len());
    cache.good(&["rm", &tagged]);
    cache.good(&["prune"]);
    assert_eq!(cache.blobs(), Vec::<PathBuf>::new());
    assert!(index(&cache.dir())["manifests"].as_array().unwrap().is_empty());
}

#[test]
fn damage_to_what_others_read_is_found_and_put_right() {
    let (cache, image) = (Cache::new(), docker());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    cache.pull(&tagged, &image.manifest.digest);
    let digest = index(&cache.dir())["manifests"][0]["digest"].as_str().unwrap().to_owned();
    assert_ne!(digest, image.manifest.digest);
    let path = cache.dir().join("blobs").join(digest.replace(':', "/"));
    for spoil in [|path: &Path| fs::write(path, "{}").unwrap(), |path: &Path| fs::remove_file(path).unwrap()]
    {
        spoil(&path);
        let output = cache.run(&["verify"]);
        assert_eq!(output.status.code(), Some(4));
        assert!(stdout(&output).contains(&digest), "{}", stdout(&output));
        // what we run does not depend on it
        cache.good(&["inspect", &tagged]);
        cache.good(&["verify", "--repair"]);
        cache.is_read_by_others(&tagged, &image);
    }
}

#[test]
fn what_an_index_says_of_views_is_not_believed_when_it_is_loaded() {
    let (cache, image, other) = (Cache::new(), docker(), plain().build());
    let tagged = cache.registry.push("team/builder", "1.0", &image);
    cache.pull(&tagged, &image.manifest.digest);
    cache.pull(&cache.registry.push("other", "1", &other), &other.manifest.digest);
    // the name leads other tools to another image
    let path = cache.dir().join("index.json");
    let mut forged = index(&cache.dir());
    let entry = &mut forged["manifests"][0];
    entry["digest"] = other.manifest.digest.as_str().into();
    entry["size"] = other.manifest.bytes.len().into();
    fs::write(path, forged.to_string()).unwrap();
    let far = Cache::new();
    far.good(&["load", cache.dir().to_str().unwrap()]);
    far.is_read_by_others(&tagged, &image);
    // and nonsense is no reason to give up what can be read
    for nonsense in ["", "{}", "{\"mediaType\":7}"] {
        let mut broken = index(&far.dir());
        broken["manifests"][0]["annotations"]["org.airshipit.airshipctl.manifest"] = nonsense.into();
        fs::write(far.dir().join("index.json"), broken.to_string()).unwrap();
        far.good(&["verify", &tagged]);
    }
}

fn index(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
}
