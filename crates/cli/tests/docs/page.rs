//! A page as what can be checked of it: shell blocks, links, headings.
//!
//! It must never guess: a block is run if it is marked `sh`, on the host that the comment above it
//! names, and commands may not hide in blocks without a mark.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

/// What can be checked of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Its shell blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// Where its links and pictures lead.
    pub(crate) links: Vec<String>,
    /// Its headings, as the fragments of links.
    pub(crate) headings: Vec<String>,
    /// Commands in blocks that are not marked as shell.
    pub(crate) hidden: Vec<String>,
}

/// A fenced block that is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Block {
    /// The host it is run on.
    pub(crate) host: String,
    /// Its lines, those that go on behind a backslash joined.
    pub(crate) commands: Vec<String>,
}

/// The host of a block that names none.
const HOST: &str = "files";

impl Page {
    /// The page at a path of the checkout.
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(checkout(path));
        Self::parse(&text.unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// A page from its text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut host = HOST.to_owned();
        let mut code: Option<(String, String)> = None;
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES) {
            match event {
                Event::Html(comment) => host = host_named(&comment).unwrap_or(host),
                Event::Start(Tag::CodeBlock(kind)) => {
                    code = Some((language(&kind), String::new()));
                }
                Event::End(TagEnd::CodeBlock) => {
                    let (language, text) = code.take().unwrap();
                    page.add_code(&language, &text, std::mem::replace(&mut host, HOST.into()));
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { level, .. }) if level > HeadingLevel::H1 => {
                    heading = Some(String::new());
                }
                Event::End(TagEnd::Heading(_)) => {
                    page.headings
                        .extend(heading.take().as_deref().map(fragment));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some((_, code)) = &mut code {
                        code.push_str(&text);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }

    fn add_code(&mut self, language: &str, text: &str, host: String) {
        if language == "sh" {
            let commands = joined(text);
            self.blocks.push(Block { host, commands });
        } else if language.is_empty() {
            let lines = text.lines().map(str::trim);
            let commands = lines.filter(|line| {
                ["overspill ", "curl ", "cargo "]
                    .iter()
                    .any(|start| line.starts_with(start))
            });
            self.hidden.extend(commands.map(str::to_owned));
        }
    }
}

/// A path of the checkout.
pub(crate) fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn language(kind: &CodeBlockKind<'_>) -> String {
    match kind {
        CodeBlockKind::Fenced(name) => name.to_string(),
        CodeBlockKind::Indented => String::new(),
    }
}

/// The host in a comment such as `<!-- on: m1 -->`.
fn host_named(comment: &str) -> Option<String> {
    let rest = comment.trim().strip_prefix("<!-- on: ")?;
    rest.strip_suffix(" -->").map(str::to_owned)
}

/// The lines of a block; what ends in a backslash goes on in the next.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    for line in text.lines() {
        if let Some(start) = line.strip_suffix('\\') {
            begun.push_str(start);
        } else {
            begun.push_str(line);
            lines.push(std::mem::take(&mut begun));
        }
    }
    lines
}

/// A heading as it is linked to: lower case, words joined by hyphens, no punctuation.
fn fragment(heading: &str) -> String {
    let words = heading.to_lowercase().replace(' ', "-");
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
    words.chars().filter(is_kept).collect()
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::parse(
        "# A\n\n## How `get` works, really\n\n[b](b.md#c)\n\n<!-- on: m1 -->\n\n```sh\na \\\n  b\nc\n```\n\n    overspill get\n\n```sh\nd\n```\n",
    );
    let block = |host: &str, commands: &[&str]| Block {
        host: host.into(),
        commands: commands.iter().map(|&text| text.into()).collect(),
    };
    assert_eq!(
        page.blocks,
        [block("m1", &["a   b", "c"]), block("files", &["d"])]
    );
    assert_eq!(page.links, ["b.md#c"]);
    assert_eq!(page.headings, ["how-get-works-really"]);
    assert_eq!(page.hidden, ["overspill get"]);
}
