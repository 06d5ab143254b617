//! The RUN: a builder image, a volume, and what happens when the one meets the other.

mod bundle;
pub mod docker;
mod driver;
mod engine;
mod log;
pub mod oci;
pub mod record;

pub use driver::{
    Choice, CommandOutput, Container, Environment, KeepContainer, Limits, OUTPUT_LIMIT, Options, Rootless,
    Run, driver,
};
