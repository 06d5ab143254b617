//! The driver for Docker's engine, over its API: a local socket, or what `DOCKER_HOST` names.
//!
//! ```text
//!  connection ─► pull ─► create ─► (inputs) ─► start ─► follow: output, signals, clock ─► remove
//!                           └────────── leftovers: whatever killed processes did not come to
//! ```
//! The engine's processes do not end with ours, as the built-in driver's do: after SIGKILL it is the
//! next start that ends the container, before it looks into any volume. Of the image this wing
//! knows no more than its name: registries, policies and credentials come from above.

mod address;
mod connection;
mod create;
mod driver;
mod follow;
mod leftovers;
mod outputs;
mod pull;
mod session;

pub use address::Address;
pub use connection::Connection;
pub use driver::Docker;
pub use leftovers::{About, reap, reap_dead};
pub use pull::{Credentials, Image, ImageName, When};
