//! What came out: the boot image, read in process, so that no other program is needed to judge it.
//!
//! ```text
//!  Image ─► volume (ISO 9660, Rock Ridge, Joliet) ─┐
//!        ─► boot   (El Torito, MBR, GPT, FAT)     ─┼─► Examined ─► inspect, verify, diff
//!        ─► cloud  (NoCloud, config drive)        ─┘
//! ```
//!
//! An image is hostile input: every length that it claims is bounded before anything is read or kept, and a
//! claim that cannot be true is a [`Finding`], never a panic and never an endless loop.

pub mod boot;
mod claims;
pub mod cloud;
pub mod diff;
pub mod examine;
pub mod finding;
pub mod image;
pub mod inspect;
mod lists;
mod names;
mod open;
pub mod sums;
pub mod verify;
pub mod volume;

pub use finding::{Finding, Findings, Severity};
pub use image::{Extent, Image};
pub use open::open;
pub use verify::check_complete;
