//! The dependencies a Cargo.toml names.
//!
//! It reads the part of TOML that manifests are written in, a key per line, and not all of TOML; it
//! never judges what it reads.

/// A dependency as a manifest names it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Dependency<'t> {
    /// The package, also where the manifest renames it.
    pub(super) package: &'t str,
    /// Line in the manifest, from 1.
    pub(super) line: usize,
}

/// The dependencies in `manifest` that reach the product: `[dependencies]` and
/// `[build-dependencies]`, for any target, but not `[dev-dependencies]`.
pub(super) fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut section = Section::Other;
    let mut found = Vec::new();
    for (line, text) in (1..).zip(manifest.lines()) {
        let text = text.trim();
        if let Some(header) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = Section::of(header.0);
            if let Section::Dependency(package) = section {
                found.push(Dependency { package, line });
            }
            continue;
        }
        let package = match section {
            Section::Dependencies => renamed(text).or_else(|| key(text)),
            Section::Dependency(_) => renamed(text),
            Section::Other => None,
        };
        found.extend(package.map(|package| Dependency { package, line }));
    }
    found
}

#[derive(Clone, Copy)]
enum Section<'t> {
    /// `[dependencies]`: a key per dependency.
    Dependencies,
    /// `[dependencies.name]`: a table of its own.
    Dependency(&'t str),
    Other,
}

impl<'t> Section<'t> {
    fn of(header: &'t str) -> Self {
        let header = header.trim();
        // `target.'cfg(…)'.dependencies`: the condition may hold dots, the rest may not.
        let header = header.rsplit_once("'.").map_or(header, |(_, rest)| rest);
        match header.split_once('.').unwrap_or((header, "")) {
            ("build-dependencies" | "dependencies", "") => Self::Dependencies,
            ("build-dependencies" | "dependencies", name) => Self::Dependency(unquoted(name)),
            _ => Self::Other,
        }
    }
}

/// `name` of `name = …` and of `name.workspace = true`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let name = key.split_once('.').map_or(key, |(name, _)| name);
    (!name.starts_with('#')).then(|| unquoted(name))
}

/// `x` of `package = "x"`, alone on its line or within an inline table.
fn renamed(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("package")?;
    if !before.is_empty() && !before.ends_with(['{', ' ', ',']) {
        return None;
    }
    let value = after
        .trim_start()
        .strip_prefix('=')?
        .trim_start()
        .strip_prefix('"')?;
    value.split_once('"').map(|(package, _)| package)
}

fn unquoted(name: &str) -> &str {
    name.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_form_in_which_a_dependency_is_written() {
        for (manifest, expected) in [
            ("[dependencies]\nserde = \"1\"\n", vec![("serde", 2)]),
            (
                "[dependencies]\nserde.workspace = true # why\n",
                vec![("serde", 2)],
            ),
            (
                "[dependencies]\nserde={version=\"1\",features=[\"derive\"]}\n",
                vec![("serde", 2)],
            ),
            (
                "[dependencies]\nshort = { package = \"long-name\" }\n",
                vec![("long-name", 2)],
            ),
            (
                "[dependencies]\na = { features = [\n  \"tokio\",\n] }\nb = \"1\"",
                vec![("a", 2), ("b", 5)],
            ),
            (
                "[dependencies.serde]\nversion = \"1\"\n",
                vec![("serde", 1)],
            ),
            (
                "[dependencies.x]\npackage = \"y\"\n",
                vec![("x", 1), ("y", 2)],
            ),
            ("[build-dependencies]\ncc = \"1\"\n", vec![("cc", 2)]),
            (
                "[target.'cfg(a.b)'.dependencies]\nlibc = \"1\"\n",
                vec![("libc", 2)],
            ),
            ("[target.x86_64.dependencies]\n", vec![]),
            (
                "[dependencies]\n# serde = \"1\"\n\n[lints]\nworkspace = true\n",
                vec![],
            ),
            (
                "[dev-dependencies]\ntempfile = \"3\"\n[package]\nname = \"x\"\n",
                vec![],
            ),
        ] {
            let found: Vec<_> = dependencies(manifest)
                .iter()
                .map(|d| (d.package, d.line))
                .collect();
            assert_eq!(found, expected, "{manifest}");
        }
    }
}
