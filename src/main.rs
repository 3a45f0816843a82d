//! The `dashtray` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dashtray::cli::main()
}
