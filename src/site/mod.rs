//! WHAT shall be built: the site's configuration and documents, read and checked without network.

pub mod cloudinit;
pub mod config;
pub mod document;
pub mod yaml;

#[cfg(test)]
mod warnings;
