//! Sources that break each rule, and such as only seem to.

use super::*;

/// A rule, the path of a source, its text.
type Example = (Rule, &'static str, &'static str);

const CAUGHT: &[Example] = &[
    (floors, "site/volume/mod.rs", "use crate::image::Store;"),
    (floors, "site/volume/mod.rs", "use crate::{error::Error, image as pictures};"),
    (floors, "site/volume/mod.rs", "fn f() { super::super::iso::check() }"),
    (floors, "site/volume.rs", "mod inner { fn f() { super::super::super::image::x() } }"),
    (floors, "site/volume.rs", "mod a {} fn f() { super::super::image::x() }"),
    (floors, "image/mod.rs", "use super::site;"),
    (floors, "image/a.rs", "pub(crate) use crate::{self as root};"),
    (floors, "image/a.rs", "use super::super::*;"),
    (floors, "image/a.rs", "use crate::Volume;"),
    (floors, "iso/mod.rs", "#[cfg(test)]\nmod tests { use airshipctl::site::volume; }"),
    (floors, "iso/mod.rs", "fn f<T: crate::container::Container>() {}"),
    (floors, "error.rs", "use crate::interrupt::Interrupt;"),
    (floors, "container/mod.rs", "use crate::isogen;"),
    (floors, "isogen.rs", "use crate::doctor::Doctor;"),
    (floors, "doctor.rs", "use crate::cli;"),
    (floors, "utils.rs", ""),
    (strangers, "container/docker.rs", "use crate::image::Reference;"),
    (strangers, "container/docker/mod.rs", "use super::super::image;"),
    (strangers, "isogen.rs", "use crate::container::oci::Driver;"),
    (fences, "site/mod.rs", "use tokio::runtime;"),
    (fences, "site/mod.rs", "use tokio as t;"),
    (fences, "image/store/mod.rs", "fn f(c: &::oci_distribution::Client) {}"),
    (fences, "image/registry_cache.rs", "extern crate rustls;"),
    (fences, "image/pull.rs", "fn f() { futures_util::pin_mut!(x); }"),
    (fences, "image/layer.rs", "use {std::io, flate2::read};"),
    (fences, "container/bundle.rs", "use libcontainer::container::Container;"),
    (fences, "container/docker.rs", "use oci_distribution::Client;"),
    (fences, "container/engine.rs", "use bollard::Docker;"),
    (fences, "isogen.rs", "fn f() { serde_yaml::from_str(x) }"),
    (terminal, "site/mod.rs", "fn f() { println!(\"x\") }"),
    (terminal, "image/mod.rs", "fn f() { std::eprint!(\"x\") }"),
    (terminal, "image/mod.rs", "fn f() { io::stderr().write_all(b\"x\"); }"),
    (terminal, "image/mod.rs", "use std::{io::{Read, stdout}, fs};"),
    (terminal, "client.rs", "fn f() { println!() }"),
    (unsafety, "container/bundle.rs", "fn f() { unsafe { g() } }"),
    (unsafety, "image/mod.rs", "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }"),
    (unfinished, "site/mod.rs", "fn f() { todo!() }"),
    (unfinished, "site/mod.rs", "fn f() { let x = dbg!(1); unimplemented!(\"later\") }"),
    (globs, "site/mod.rs", "use std::io::*;"),
    (globs, "site/mod.rs", "use std::{fs, io::*};"),
];

const PASSED: &[Example] = &[
    (
        floors,
        "site/volume/mod.rs",
        "// use crate::image;\n/* crate::iso /* nested */ crate::image */ fn f() {}",
    ),
    (
        floors,
        "site/volume/mod.rs",
        "/// See `crate::image`.\nconst A: &str = \"crate::image \\\" crate::iso\";",
    ),
    (
        floors,
        "site/volume/mod.rs",
        "const A: &str = r##\"crate::image \"# crate::iso\"##; const B: &[u8] = br\"crate::iso\";",
    ),
    (
        floors,
        "site/volume/mod.rs",
        "use super::document; use crate::site::image; use crate::error::{Error, Result};",
    ),
    (floors, "site/volume/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::site) fn h() {}"),
    (
        floors,
        "site/image.rs",
        "mod image {} use self::image::x; fn f(c: char) -> bool { c == '\"' || c == '\\'' }",
    ),
    (
        floors,
        "site/volume.rs",
        "mod inner { use super::super::document; } fn f<'a>(image: &'a str) { image.len() }",
    ),
    (
        floors,
        "container/oci/mod.rs",
        "use crate::{image::Rootfs, site::volume::Volume, interrupt::Interrupt};",
    ),
    (floors, "interrupt.rs", "use crate::error::Error;"),
    (floors, "isogen.rs", "use crate::{container, iso, image, site};"),
    (floors, "cli/isogen.rs", "use airshipctl::isogen; use super::output;"),
    (floors, "main.rs", "mod cli; use airshipctl::error::Error; use crate::cli::Args;"),
    (floors, "lib.rs", "pub use crate::image::Store; pub use site::volume::Volume;"),
    (strangers, "container/oci/mod.rs", "use crate::image::Reference;"),
    (strangers, "isogen.rs", "use crate::container::{Container, driver};"),
    (fences, "image/registry/client.rs", "use oci_distribution::Client; use tokio::time;"),
    (fences, "image/store/archive.rs", "use tar::Archive; use zstd::Decoder;"),
    (fences, "image/mod.rs", "fn f(tar: &[u8]) -> usize { tar.len() + self.tar::<u8>() }"),
    (fences, "image/mod.rs", "use crate::image::rootfs::{zstd::Reader, tar::Names as N};"),
    (floors, "main.rs", "impl A { fn f(&self) { self.x() } }"),
    (fences, "container/docker/pull.rs", "use bollard::Docker; use futures_util::StreamExt;"),
    (fences, "container/oci/run.rs", "use libcontainer::container::Container;"),
    (fences, "site/document.rs", "use serde_yaml::Location;"),
    (terminal, "cli/mod.rs", "fn f() { println!(\"x\"); std::io::stdout(); }"),
    (terminal, "main.rs", "fn f() { eprintln!(\"x\") }"),
    (terminal, "site/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn f() { println!() } }"),
    (terminal, "image/mod.rs", "fn f(c: Child) { c.stdout.take(); Command::new(x).stderr(y); writeln!(f) }"),
    (unsafety, "container/oci/helper.rs", "fn f() { unsafe { g() } }"),
    (unsafety, "site/mod.rs", "#![forbid(unsafe_code)] // unsafe"),
    (unfinished, "site/mod.rs", "fn todo() { assert!(x) } // todo!()"),
    (globs, "site/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use super::*; }"),
    (globs, "site/mod.rs", "fn f() -> usize { a::b * 2 }"),
];

#[test]
fn every_rule_catches_what_breaks_it() {
    for (rule, path, text) in CAUGHT {
        assert!(!rule(&Source::new(path, text)).is_empty(), "not caught in {path}: {text}");
    }
}

#[test]
fn no_rule_catches_what_only_seems_to_break_it() {
    for (rule, path, text) in PASSED {
        let findings: Vec<_> = rule(&Source::new(path, text)).iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "caught in {path}: {text}\n{findings:?}");
    }
}

#[test]
fn every_rule_is_tried_on_examples() {
    for rule in RULES.iter().filter(|rule| !std::ptr::fn_addr_eq(**rule, lengths as Rule)) {
        for examples in [CAUGHT, PASSED] {
            assert!(examples.iter().any(|(tried, ..)| std::ptr::fn_addr_eq(*tried, *rule)));
        }
    }
}

#[test]
fn findings_name_the_line() {
    let source = Source::new("site/a.rs", "//! x\n/* y\n */\nconst A: &str = \"\n\";\nuse crate::image;\n");
    assert_eq!(floors(&source)[0].to_string(), "src/site/a.rs:6: site names image");
}

#[test]
fn long_files_and_functions_are_caught_and_tests_do_not_count() {
    let count = |text: &str| lengths(&Source::new("site/a.rs", text)).len();
    let blank = "\n".repeat(LONGEST_FILE);
    let short = "\n".repeat(LONGEST_FUNCTION - 3);
    assert_eq!(count(&blank), 1);
    assert_eq!(count(&format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{blank}}}\n")), 0);
    assert_eq!(lengths(&Source::new("site/tests.rs", &blank)).len(), 0);
    assert_eq!(count("\n".repeat(LONGEST_FILE - 1).as_str()), 0);
    assert_eq!(count(&format!("fn f() {{ if x {{}} {short}\n\n}}")), 1);
    assert_eq!(count(&format!("fn f() {{ if x {{}} {short}\n}}\nfn g() {{ \"}}\" }}")), 0);
    assert_eq!(count(&format!("trait T {{ fn f(a: [u8; 3]);{short}\n\n\n }}")), 0);
    assert_eq!(count(&format!("type F = fn(u8);{short}\n\nstruct S {{ f: fn(u8), {short}\n\n }}")), 0);
}

#[test]
fn dependencies_without_reason_are_caught() {
    let found = |text: &str| reasons(text).iter().map(|finding| finding.what.clone()).collect::<Vec<_>>();
    assert!(found("[package]\nname = \"x\"\n[dependencies]\n# why\na = \"1\"\n").is_empty());
    assert!(
        found("[dependencies]\n# why\na = { features = [\n  \"x\",\n] }\n[features]\nb = []\n").is_empty()
    );
    assert_eq!(found("[dependencies]\n# why\na = \"1\"\nb = \"1\"\n"), ["b has no reason"]);
    assert_eq!(found("[dev-dependencies]\nb.workspace = true\n"), ["b.workspace has no reason"]);
    assert_eq!(found("[target.'cfg(unix)'.dependencies]\nb = \"1\"\n"), ["b has no reason"]);
    assert_eq!(found("[build-dependencies.b]\nversion = \"1\"\n"), ["b has no reason"]);
    assert!(found("# why\n[dependencies.b]\nversion = \"1\"\n").is_empty());
}
