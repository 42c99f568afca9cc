//! Trees to serve, made for a benchmark.
//!
//! It must never write outside the folder it is given.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};

use super::{note, pace};

/// Files per folder of a large tree.
const FILES_PER_FOLDER: u64 = 1000;
/// Our server sends files changed in the last 10 s by copy, since whoever writes them may not be
/// done; files cached by others are no older for it. A second more covers coarse time stamps.
const AT_REST: Duration = Duration::from_secs(11);

/// The path of the file numbered `number` in a large tree, as in a URL.
pub(super) fn path_of(number: u64) -> String {
    format!(
        "/folder-{:04}/file-{number:07}.txt",
        number / FILES_PER_FOLDER
    )
}

/// The content of that file: 20 to 100 bytes, no two alike.
pub(super) fn content_of(number: u64) -> Vec<u8> {
    let mut text = format!("{number:019}").into_bytes();
    // 37 and 81 have no common factor, so all lengths occur, and neighbours differ.
    text.resize(19 + (number * 37 % 81) as usize, b'.');
    text.push(b'\n');
    text
}

/// Writes a large tree of `files` files into `folder`, on all cores.
pub(super) fn write_many(folder: &Path, files: u64) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let folders = files.div_ceil(FILES_PER_FOLDER);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads as u64)
            .map(|first| {
                scope.spawn(move || {
                    let mut numbers = (first..folders).step_by(threads);
                    numbers.try_for_each(|number| write_folder(folder, number, files))
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a writer panicked"))?)
    })
}

fn write_folder(folder: &Path, number: u64, files: u64) -> Result<()> {
    let first = number * FILES_PER_FOLDER;
    let path_in = |number| folder.join(&path_of(number)[1..]);
    if let Some(parent) = path_in(first).parent() {
        fs::create_dir(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    for number in first..files.min(first + FILES_PER_FOLDER) {
        let path = path_in(number);
        fs::write(&path, content_of(number))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Writes a file of `bytes` that do not repeat within a page and do not compress to nothing.
pub(super) fn write_file(path: &Path, bytes: u64) -> Result<()> {
    let file = fs::File::create(path);
    let file = file.with_context(|| format!("cannot make {}", path.display()))?;
    let mut file = std::io::BufWriter::new(file);
    // Multiplication by an odd constant (Knuth's) takes every value once.
    let words = (0..bytes.div_ceil(8)).map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut left = bytes;
    for word in words {
        let part = left.min(8) as usize;
        file.write_all(&word.to_le_bytes()[..part])?;
        left -= part as u64;
    }
    file.flush().context("cannot finish a file")
}

/// A tree with the files `small`, 1 KiB, and `large`, both at rest, and a folder to work in beside it.
pub(super) fn small_and_large(folder: &Path, large_mib: u64) -> Result<(PathBuf, PathBuf)> {
    let (tree, work) = (folder.join("tree"), folder.join("work"));
    for folder in [&tree, &work] {
        fs::create_dir(folder)?;
    }
    note("writing the files, and waiting until they are at rest");
    write_file(&tree.join("small"), 1 << 10)?;
    write_file(&tree.join("large"), large_mib << 20)?;
    wait_until_at_rest(&tree.join("large"))?;
    Ok((tree, work))
}

/// Waits until nothing about the file has changed for so long that everyone takes it as settled.
pub(super) fn wait_until_at_rest(path: &Path) -> Result<()> {
    pace::until("a file to come to rest", pace::COARSE, AT_REST * 3, || {
        let facts = fs::metadata(path)?;
        let changed = UNIX_EPOCH + Duration::from_secs(facts.ctime().max(facts.mtime()) as u64);
        let age = SystemTime::now().duration_since(changed);
        Ok(age.is_ok_and(|age| age >= AT_REST + ROUNDING).then_some(()))
    })
}

/// Time stamps are compared by whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_large_tree_has_its_files_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        write_many(folder.path(), 2001).unwrap();
        for number in [0, 999, 1000, 2000] {
            let read = fs::read(folder.path().join(&path_of(number)[1..])).unwrap();
            assert_eq!(read, content_of(number));
        }
        let files_in = |name| fs::read_dir(folder.path().join(name)).unwrap().count();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(files_in("folder-0000"), 1000);
        assert_eq!(files_in("folder-0002"), 1);
    }

    #[test]
    fn contents_differ_and_keep_their_bounds() {
        let contents: HashSet<_> = (0..1000).map(content_of).collect();
        assert_eq!(contents.len(), 1000);
        let lengths: HashSet<_> = contents.iter().map(Vec::len).collect();
        assert_eq!(lengths, (20..=100).collect());
    }

    #[test]
    fn a_file_has_the_size_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [0, 1, 8, 1023, 65536] {
            let path = folder.path().join("file");
            write_file(&path, bytes).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
        }
    }
}
