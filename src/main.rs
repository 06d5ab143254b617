//! `airshipctl`: the process's edge. Everything else is in the library.

mod cli;

use std::process::ExitCode;

use airshipctl::container::oci;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == oci::HELPER_ARGUMENT) {
        return oci::helper::main().into();
    }
    cli::main()
}
