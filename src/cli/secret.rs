//! Secrets of other services: from a file, a variable or standard input, never from the command line, which others on the
//! machine can read.
//!
//! Where standard input is a terminal, stderr says what to paste, and what is pasted is not shown. Where it is a pipe or a file
//! its first line is read, and nothing is said.

use super::output;
use std::{
    io::{BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The first line of `file`, else of the file that the variable `NAME_FILE` names, else the variable `NAME`, else the first
/// line of standard input. `what` names it in a refusal, and in the question at a terminal.
///
/// # Errors
/// A file or an input that cannot be read, by `what`; nothing of what is in it.
pub(super) fn read(what: &str, file: Option<&Path>, name: &str) -> Result<Zeroizing<String>, String> {
    match given(what, file, name)? {
        Some(secret) => Ok(secret),
        None => typed(what).map(first_line).map_err(|error| format!("the {what}: {error}")),
    }
}

/// The same without standard input, where that is for something else; nothing where none is given.
pub(super) fn given(what: &str, file: Option<&Path>, name: &str) -> Result<Option<Zeroizing<String>>, String> {
    let is_set = |value: &std::ffi::OsString| !value.is_empty();
    let file = file.map(Path::to_owned).or_else(|| std::env::var_os(format!("{name}_FILE")).filter(is_set).map(PathBuf::from));
    let text = match (file, std::env::var(name).ok().filter(|value| !value.is_empty())) {
        (Some(file), _) => {
            std::fs::read_to_string(&file).map_err(|error| format!("the {what}: {} cannot be read ({error})", file.display()))?
        }
        (None, Some(secret)) => secret,
        (None, None) => return Ok(None),
    };
    Ok(Some(first_line(text)))
}

fn first_line(text: String) -> Zeroizing<String> {
    let text = Zeroizing::new(text);
    Zeroizing::new(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// One line of standard input.
fn typed(what: &str) -> std::io::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        output::remark(&format!("Paste the {what} and press Enter; it is not shown."));
        return rpassword::read_password();
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line)
}
