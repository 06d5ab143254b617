//! How layers arrive in the cache, for those who use them before all of them are there.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::error::Result;

/// How far the blob of a layer can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being fetched; its digest is found out at the end. Bytes that were reported may yet
    /// turn out wrong, and be replaced.
    Growing,
    /// It is in the cache, and its digest was found right just now.
    Checked,
    /// It has been in the cache; its size is right.
    Unchecked,
}

/// Where a layer's blob is, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub layer: &'a Layer,
    /// The file.
    pub path: &'a Path,
    /// The name that the same file gets, at any time, once it is whole and on disk for good.
    pub placed: &'a Path,
    /// How many bytes are there.
    pub bytes: u64,
    pub state: State,
}

/// Is told of every arrival, for each layer last that it is whole. An error ends the pull.
pub type Watch<'a> = dyn FnMut(Arrival<'_>) -> Result<()> + 'a;
