//! WHAT shall be built: the site's configuration and documents, read and checked without network,
//! and the volume that carries them to the builder.

pub mod cloudinit;
pub mod config;
pub mod document;
pub mod report;
pub mod secrets;
pub mod volume;
pub mod yaml;
