//! The RUN: a builder image, a volume, and what happens when the one meets the other.

mod bundle;
mod driver;
mod log;
pub mod oci;
mod privileges;
pub mod record;
mod rootless;

pub use driver::{Container, Environment, KeepContainer, Limits, Options, Rootless, Run, driver};
