//! Files that hold a secret: made once, readable by their owner alone.
//!
//! It must never overwrite one, and never read one that others can read without saying so.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// What the file holds; told to the log if others can read it, too.
pub(crate) fn read(path: &Path, what: &'static str) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        let file = path.display();
        tracing::warn!(
            event = "token-readable", %file,
            "other users can read {what}; chmod 600 {file}"
        );
    }
    Ok(text)
}

/// Makes the file; an error if it is there already.
pub(crate) fn make(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")
}
