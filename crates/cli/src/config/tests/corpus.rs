//! Files in `corpus/config`: each bad one with all that is told of it, good ones with nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::{
    document::Document,
    problem::Problem,
    registry::Role,
    settle::{Environment, Given},
};
use crate::{mirror, serve};

/// The least number of bad files: fewer would mean that some were lost.
const BAD_MIN: usize = 70;

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus/config")
        .join(name);
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let is_toml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let mut files: Vec<_> = files.filter(is_toml).collect();
    files.sort();
    files
}

/// What is told of a file, with its name alone.
fn told(path: &Path) -> String {
    let roles = Document::read(path).roles;
    let none = Environment::default();
    let problems: Vec<Problem> = match roles.contains(&Role::Mirror) {
        true => Given::<mirror::Args>::nothing().check(&none, path),
        false => Given::<serve::Args>::nothing().check(&none, path),
    };
    let folder = format!("{}/", path.parent().unwrap().display());
    let lines = problems.iter().map(|problem| format!("{problem}\n"));
    lines.collect::<String>().replace(&folder, "")
}

#[test]
fn each_bad_file_is_told_by_line_and_word() {
    let files = folder("bad");
    assert!(files.len() >= BAD_MIN, "{}", files.len());
    for path in files {
        let told = told(&path);
        let expected = path.with_extension("expected");
        if std::env::var_os("OVERSPILL_BLESS").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap();
        assert_eq!(told, expected, "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy();
        for line in told.lines() {
            assert!(line.starts_with(&*name), "no place: {line}");
            let says_what_to_do = ["; ", ": use ", ": write "];
            let has_remedy = says_what_to_do.iter().any(|part| line.contains(part));
            assert!(has_remedy, "no remedy: {line}");
        }
        assert!(!told.is_empty(), "{name}");
    }
}

#[test]
fn good_files_are_good() {
    let files = folder("good");
    assert!(files.len() >= 4, "{}", files.len());
    for path in files {
        assert_eq!(told(&path), "", "{}", path.display());
    }
}
