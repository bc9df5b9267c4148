//! The program that kubectl runs as `kubectl industrydata`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_industrydata::run()
}
