//! From a site's YAML documents to a bootable ISO, without a container daemon.
//!
//! Two rivers meet in the bundle:
//! ```text
//!  site    isogen.yaml ─► IsoConfiguration ─┐
//!          documents ─► DocumentSet ─► EphemeralNode ─► CloudInit ─► Volume ─┐
//!                                                                            ├─► Bundle ─► Container::run ─► Volume outputs ─► Iso ─► bootImagePath
//!  image   reference ─► Registry::pull ─► Store (OCI layout) ─► Rootfs ──────┘
//! ```

pub mod container;
pub mod doctor;
pub mod error;
pub mod image;
pub mod interrupt;
pub mod iso;
pub mod isogen;
pub mod site;
