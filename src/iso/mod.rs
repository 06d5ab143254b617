//! What came out: the boot image, read in process, so that no other program is needed to judge it.

mod reader;
mod verify;

pub use verify::check_complete;
