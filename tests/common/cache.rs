//! A cache for tests that pull, and a little patience.

use std::time::Duration;

use airshipctl::error::{Error, ErrorKind};
use airshipctl::image::registry::{Access, Options};
use airshipctl::image::{Image, Platform, PullPolicy, Reference, Store, Wanted, acquire};
use airshipctl::interrupt::Interrupt;

/// Patience for tests: faults are soon over, or last for ever.
pub const IMPATIENT: Options = Options {
    connect_timeout: Duration::from_secs(2),
    idle_timeout: Duration::from_millis(500),
    attempts: 3,
    backoff: Duration::from_millis(10),
    ..Options::DEFAULT
};

/// A cache in a directory of its own.
pub struct Cache {
    pub dir: tempfile::TempDir,
    pub store: Store,
}

impl Cache {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("cache")).unwrap();
        Self { dir, store }
    }

    pub fn pull(&self, reference: &str) -> Result<Image, Error> {
        self.acquire(reference, PullPolicy::Missing)
    }

    pub fn acquire(&self, reference: &str, policy: PullPolicy) -> Result<Image, Error> {
        self.acquire_for(reference, policy, &Platform::host(), &Interrupt::manual().unwrap())
    }

    pub fn acquire_for(
        &self,
        reference: &str,
        policy: PullPolicy,
        platform: &Platform,
        interrupt: &Interrupt,
    ) -> Result<Image, Error> {
        let reference = Reference::parse(reference).unwrap();
        let have_rootfs = &|_: &Image| false;
        let (transfer, access) = (IMPATIENT, &Access::default());
        let wanted = Wanted { reference: &reference, platform, policy, have_rootfs, transfer, access };
        acquire(&self.store, wanted, interrupt)
    }

    /// Pulls what is missing, with this patience and from these places.
    pub fn pull_with(&self, reference: &str, transfer: Options, access: &Access) -> Result<Image, Error> {
        let reference = &Reference::parse(reference).unwrap();
        let (platform, policy) = (&Platform::host(), PullPolicy::Missing);
        let have_rootfs = &|_: &Image| false;
        let wanted = Wanted { reference, platform, policy, have_rootfs, transfer, access };
        acquire(&self.store, wanted, &Interrupt::manual().unwrap())
    }

    /// Pulling fails with exit code 4, the text has all of `words`, and nothing looks whole.
    pub fn refuses(&self, reference: &str, words: &[&str]) -> Error {
        let error = self.pull(reference).expect_err("a bad image was taken");
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Image, "{text}");
        assert!(text.contains(reference), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
        assert_eq!(self.store.list().unwrap(), []);
        let reference = Reference::parse(reference).unwrap();
        assert_eq!(self.store.find(&reference, &Platform::host()).unwrap(), None);
        error
    }

    /// The files below `blobs`, by digest, with their contents held against it.
    pub fn blobs(&self) -> Vec<String> {
        let dir = self.dir.path().join("cache/blobs/sha256");
        let Ok(entries) = std::fs::read_dir(&dir) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        for name in &names {
            let bytes = std::fs::read(dir.join(name)).unwrap();
            assert_eq!(&airshipctl::image::digest::sha256_hex(&bytes), name);
        }
        names
    }

    pub fn partials(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("cache/.partial")).map_or(0, |entries| entries.count())
    }
}
