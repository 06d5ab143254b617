//! The RUN: a builder image, a volume, and what happens when the one meets the other.

mod bundle;
mod clock;
pub mod docker;
mod driver;
mod ended;
mod engine;
pub mod kept;
pub mod limits;
mod log;
pub mod oci;
mod privileges;
pub mod record;
mod rootless;

pub use driver::{
    Choice, CommandOutput, Container, Environment, KeepContainer, Limits, OUTPUT_LIMIT, Options, Rootless,
    Run, driver,
};
