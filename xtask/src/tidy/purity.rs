//! What the pure crates must not touch: clock, disk, network, environment, threads, runtime.
//!
//! It works on tokens, so it sees into macros and cannot be fooled by a word in a comment. It does
//! not resolve names: what hides behind an alias or another crate, `clippy.toml` and review catch.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

use super::{Finding, checkout::TextFile, manifest};

/// Finds paths that reach outside, in the product code of a pure crate.
pub(super) fn check_source(file: &TextFile, tokens: TokenStream) -> Vec<Finding> {
    if !is_pure(file) || file.is_test_code() {
        return Vec::new();
    }
    let mut paths = Vec::new();
    collect_paths(tokens, "", &mut paths);
    let findings = paths.into_iter().filter_map(|UsedPath { path, line }| {
        let (_, remedy) = FORBIDDEN.iter().find(|(rule, _)| rule.forbids(&path))?;
        Some(Finding::new(
            &file.path,
            line,
            format!("a pure crate uses {path}"),
            *remedy,
        ))
    });
    findings.collect()
}

/// Finds dependencies that have no place in the manifest of a pure crate.
pub(super) fn check_manifest(file: &TextFile) -> Vec<Finding> {
    if !is_pure(file) || file.name() != "Cargo.toml" {
        return Vec::new();
    }
    let finding = |dependency: &manifest::Dependency<'_>| {
        Finding::new(
            &file.path,
            dependency.line,
            format!("a pure crate depends on {}", dependency.package),
            "do this in net, store or node and hand the result down",
        )
    };
    let dependencies = manifest::dependencies(&file.text);
    dependencies
        .iter()
        .filter(|d| IMPURE_PACKAGES.contains(&d.package))
        .map(finding)
        .collect()
}

fn is_pure(file: &TextFile) -> bool {
    file.crate_folder()
        .is_some_and(|folder| PURE_CRATES.contains(&folder))
}

/// A path such as `std::fs::File`, as written after its `use` groups are spelled out.
struct UsedPath {
    path: String,
    line: usize,
}

/// Collects the paths in `tokens`, each with `prefix` before it, leaving out what is `#[cfg(test)]`.
fn collect_paths(tokens: TokenStream, prefix: &str, paths: &mut Vec<UsedPath>) {
    let mut reader = PathReader {
        path: prefix.to_owned(),
        line: 1,
        prefix,
        paths,
    };
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => reader.group(&group),
            TokenTree::Ident(ident) => reader.ident(&ident),
            TokenTree::Literal(_) => reader.end_path(),
            TokenTree::Punct(punct) => match (punct.as_char(), punct.spacing()) {
                (':', Spacing::Joint) => {
                    tokens.next();
                    reader.separator();
                }
                ('#', _) if tokens.peek().is_some_and(is_cfg_test) => {
                    reader.end_path();
                    skip_item(&mut tokens);
                }
                _ => reader.end_path(),
            },
        }
    }
    reader.end_path();
}

/// Puts paths together from the tokens of one group.
struct PathReader<'a> {
    /// What the `use` groups around this one put before each of its paths: empty, or ending in `::`.
    prefix: &'a str,
    /// The prefix, and as much of a path as has been read.
    path: String,
    /// Where the last word of `path` stands.
    line: usize,
    paths: &'a mut Vec<UsedPath>,
}

impl PathReader<'_> {
    fn ident(&mut self, ident: &Ident) {
        if !self.path.ends_with("::") {
            self.end_path();
        }
        self.path.push_str(&ident.to_string());
        self.line = ident.span().start().line;
    }

    /// Reads a `::`, which at the start of a path says nothing: `::std::fs` is `std::fs`.
    fn separator(&mut self) {
        if BEFORE_PATHS.contains(&self.path.as_str()) {
            self.path.clear();
        }
        if self.path != self.prefix {
            self.path.push_str("::");
        }
    }

    fn group(&mut self, group: &Group) {
        if self.path.ends_with("::") {
            collect_paths(group.stream(), &self.path, self.paths);
            self.path.truncate(self.prefix.len());
        } else {
            self.end_path();
            collect_paths(group.stream(), "", self.paths);
        }
    }

    fn end_path(&mut self) {
        if self.path != self.prefix {
            self.paths.push(UsedPath {
                path: self.path.clone(),
                line: self.line,
            });
            self.path.truncate(self.prefix.len());
        }
    }
}

/// Whether this is the `[cfg(test)]` or `[cfg(all(test, …))]` of an attribute.
fn is_cfg_test(attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else {
        return false;
    };
    let text = group.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Drops the tokens of an item: up to its body or its semicolon.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => return,
            _ => {}
        }
    }
}

enum Rule {
    /// This module or crate and all within it.
    Module(&'static str),
    /// This function, by whatever path.
    Function(&'static str),
}

impl Rule {
    fn forbids(&self, path: &str) -> bool {
        match self {
            Self::Module(module) => path
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::")),
            Self::Function(function) => path
                .strip_suffix(function)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with("::")),
        }
    }
}

const PURE_CRATES: [&str; 2] = ["core", "http1"];

/// The keywords that a path with a leading `::` may follow without being their continuation.
const BEFORE_PATHS: [&str; 13] = [
    "as", "dyn", "else", "for", "if", "impl", "in", "match", "mut", "return", "use", "where",
    "while",
];

const IMPURE_PACKAGES: [&str; 5] = ["mio", "rustix", "socket2", "tokio", "tokio-util"];

/// What is forbidden, and what to do instead.
const FORBIDDEN: [(Rule, &str); 8] = [
    (Rule::Function("Instant::now"), "take `now` as an argument"),
    (
        Rule::Function("SystemTime::now"),
        "take `now` as an argument",
    ),
    (Rule::Module("std::env"), "take the setting as an argument"),
    (Rule::Module("std::fs"), "leave the disk to store"),
    (
        Rule::Module("std::net"),
        "leave sockets to net; addresses are in core::net",
    ),
    (Rule::Module("std::thread"), "leave threads to the shell"),
    (Rule::Module("rustix"), "leave the system to net and store"),
    (
        Rule::Module("tokio"),
        "return an output for the shell to act on",
    ),
];

#[cfg(test)]
mod tests;
