//! The binary: see `usher --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One TLS provider for everything; a second installation is refused and changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    usher_mcp::cli::main()
}
