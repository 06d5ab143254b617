//! Images and registries for tests, made on the spot.
// every test file compiles this module and uses its own part of it
#![allow(dead_code)]

pub mod bootable;
pub mod cache;
pub mod cloud_init;
pub mod compiled;
pub mod docker_registry;
pub mod faulty;
pub mod fuzz;
pub mod guard;
pub mod http;
pub mod image;
pub mod iso;
pub mod left;
pub mod proxy;
pub mod site;
