//! WHAT BUILDS it: the builder image, from its reference to a rootfs that can be run.

pub mod digest;
pub mod layer;
pub mod rootfs;
