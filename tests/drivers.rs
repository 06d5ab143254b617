//! The conformance tests of the trait `Container`: one table, run over each driver; then what only
//! concerns Docker's engine. The engine is `dockerd` from Debian, started here on a socket of its own
//! with directories of its own, and ended by its process id.
//!
//! No test harness: helper processes execute this very program, and the engine serves all tests.
//! Users without root run the table over the built-in driver alone.

mod common;

#[path = "drivers/bench.rs"]
mod bench;
#[path = "drivers/choice.rs"]
mod choice;
#[path = "drivers/engine.rs"]
mod engine;
#[path = "drivers/fake.rs"]
mod fake;
#[path = "drivers/outside.rs"]
mod outside;
#[path = "drivers/table.rs"]
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

use airshipctl::container::oci::{HELPER_ARGUMENT, helper};
use airshipctl::site::config::ContainerRuntime;
use bench::Bench;
use common::docker_registry::DockerRegistry;
use engine::Engine;

/// In the environment of the process that runs the tests: the engine's socket.
const SOCKET: &str = "AIRSHIP_TEST_ENGINE";

/// The same: its address for clients with certificates, which `DOCKER_CERT_PATH` has.
const TCP: &str = "AIRSHIP_TEST_ENGINE_TCP";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == HELPER_ARGUMENT) {
        return ExitCode::from(helper::main());
    }
    // `cargo test -- --list` and the like ask nothing of this program
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if std::env::var_os(SOCKET).is_some() || !nix::unistd::geteuid().is_root() {
        return run(&filters);
    }
    // the environment cannot be changed safely from within
    let engine = Engine::start();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(arguments).env(SOCKET, engine.socket()).env("DOCKER_HOST", engine.host());
    again.env(TCP, engine.tcp_host()).env("DOCKER_CERT_PATH", engine.certificates());
    let status = again.env_remove("DOCKER_TLS_VERIFY").status().unwrap();
    if !status.success() {
        println!("the engine's last words:\n{}", engine.last_words());
    }
    ExitCode::from(status.code().unwrap_or(1) as u8)
}

/// A name and what is to hold.
type Test<'a> = (String, Box<dyn FnOnce() + 'a>);

fn run(filters: &[&String]) -> ExitCode {
    let registry = DockerRegistry::start();
    let has_engine = std::env::var_os(SOCKET).is_some();
    let mut tests: Vec<Test<'_>> = Vec::new();
    for runtime in ContainerRuntime::ALL {
        for (name, row) in table::ROWS {
            let registry = &registry;
            let test = move || row(&Bench::new(runtime, registry));
            if runtime == ContainerRuntime::Oci || has_engine {
                tests.push((format!("{runtime}::{name}"), Box::new(test)));
            } else {
                println!("only as root: {runtime}::{name}");
            }
        }
    }
    let others = fake::TESTS.iter().chain(choice::TESTS);
    tests.extend(others.map(|(name, test)| ((*name).to_owned(), Box::new(*test) as Box<dyn FnOnce()>)));
    for (name, test) in outside::TESTS {
        let registry = &registry;
        match has_engine {
            true => tests.push(((*name).to_owned(), Box::new(move || test(registry)))),
            false => println!("only as root: {name}"),
        }
    }
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in tests.into_iter().filter(|(name, _)| chosen(name)) {
        let begun = std::time::Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(test));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", begun.elapsed().as_secs_f32());
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!("\ntest result: {passed} passed; {} failed {failed:?}", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}
