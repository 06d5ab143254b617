//! Asking a registry which image it has, for those who only want to know: nothing is stored.

use super::Wanted;
use super::digest::{Digest, Hasher};
use super::manifest::{self, Image};
use super::pull::resolve;
use super::registry::{Registry, Sink};
use crate::error::Result;
use crate::interrupt::Interrupt;

/// The image that a pull would get, by its verified manifest and configuration. The cache is neither
/// asked nor written. Fails as [`know`](super::know) does.
pub fn ask(wanted: Wanted<'_>, interrupt: &Interrupt) -> Result<Image> {
    let asked = || {
        let mut registry = Registry::new(wanted.reference, wanted.transfer, wanted.access, interrupt)?;
        let resolved = resolve(&mut registry, &wanted)?;
        let config = resolved.parsed.config();
        let mut document = Memory { digest: config.digest(), size: config.size(), bytes: Vec::new() };
        registry.blob(config.digest(), &mut document)?;
        let configuration = manifest::parse_configuration(&document.bytes)?;
        let size = resolved.manifest.bytes.len() as u64;
        manifest::image(resolved.manifest.digest, size, &resolved.parsed, configuration)
    };
    asked().map_err(|error| wanted.pulling(error))
}

/// A small blob; that it is small has been checked with its manifest.
struct Memory<'a> {
    digest: &'a Digest,
    size: u64,
    bytes: Vec<u8>,
}

impl Sink for Memory<'_> {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.bytes.clear();
        Ok(())
    }

    fn differs(&mut self) -> Result<Option<String>> {
        let Some(mut hasher) = Hasher::new(self.digest.algorithm()) else { return Ok(None) };
        hasher.update(&self.bytes);
        let hex = hasher.hex();
        if hex == self.digest.digest() {
            return Ok(None);
        }
        self.bytes.clear();
        Ok(Some(format!("{}:{hex}", self.digest.algorithm())))
    }
}
