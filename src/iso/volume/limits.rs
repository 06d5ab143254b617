//! How much of a hostile image is read and kept.

/// What is left for one tree, counted down. All that is kept of an image is a small multiple of these.
pub(super) struct Budget {
    /// Records of directories.
    entries: u64,
    /// Of directories and of continuation areas, in bytes.
    data: u64,
    /// Paths of entries, in bytes: those of a deep tree are longer than the names in it.
    paths: u64,
}

/// The image has more than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted(pub &'static str);

impl Default for Budget {
    fn default() -> Self {
        Self { entries: 200_000, data: 64 << 20, paths: 64 << 20 }
    }
}

impl Budget {
    pub fn record(&mut self) -> Result<(), Exhausted> {
        take(&mut self.entries, 1).ok_or(Exhausted("200000 entries"))
    }

    pub fn path(&mut self, length: usize) -> Result<(), Exhausted> {
        take(&mut self.paths, length as u64).ok_or(Exhausted("64 MiB of paths"))
    }

    pub fn data(&mut self, bytes: u64) -> Result<(), Exhausted> {
        take(&mut self.data, bytes).ok_or(Exhausted("64 MiB of directories"))
    }
}

fn take(left: &mut u64, amount: u64) -> Option<()> {
    // what does not fit takes all, so that nothing is read behind it
    let rest = left.checked_sub(amount);
    *left = rest.unwrap_or(0);
    rest.map(|_| ())
}

/// What ends the reading of a tree.
#[derive(Debug)]
pub(super) enum Stop {
    Read(std::io::Error),
    Exhausted(Exhausted),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}
