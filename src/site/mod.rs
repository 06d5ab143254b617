//! site

pub mod volume;
