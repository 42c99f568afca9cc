//! The table of events held against the code that tells them, and the docs against the table.
//!
//! An event that is not in the table cannot be looked up at three in the morning; a row that nobody
//! tells is a promise that was broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use overspill_node::events::{EVENTS, LEFT_OUT, RESERVED_FIELDS, reference};
use proc_macro2::{TokenStream, TokenTree};

/// Crates whose lines operators read.
const CRATES: [&str; 8] = [
    "cli", "client", "core", "mirror", "net", "node", "server", "store",
];
/// Macros whose lines are told by default.
const LEVELS: [&str; 3] = ["error", "info", "warn"];
/// In `docs/logs.md` the table stands between these lines.
const MARKS: (&str, &str) = ("<!-- events -->\n\n", "\n<!-- end of events -->");

/// A macro that tells something.
struct Telling {
    place: String,
    level: String,
    tokens: Vec<TokenTree>,
}

#[test]
fn whatever_is_told_has_an_id_of_the_table() {
    let table: BTreeMap<_, _> = EVENTS.iter().map(|kind| (kind.id, kind)).collect();
    let mut used = BTreeSet::from([LEFT_OUT.to_owned()]);
    for telling in tellings() {
        let place = &telling.place;
        let id = telling.id();
        let id = id.unwrap_or_else(|| panic!("{place}: give it event = \"…\""));
        let kind = table.get(id.as_str());
        let kind = kind.unwrap_or_else(|| panic!("{place}: {id} is not in events/registry.rs"));
        let levels = kind
            .levels
            .iter()
            .map(|level| level.as_str().to_lowercase());
        let is_listed = levels.collect::<Vec<_>>().contains(&telling.level);
        assert!(is_listed, "{place}: {id} has other levels in the table");
        used.insert(id);
    }
    let listed: BTreeSet<String> = table.keys().map(|id| (*id).to_owned()).collect();
    assert_eq!(used, listed, "the right side is the table");
}

#[test]
fn every_text_reads_like_the_others_and_no_field_hides_another() {
    for telling in tellings() {
        let (place, text) = (&telling.place, telling.text());
        let text = text.unwrap_or_else(|| panic!("{place}: say in words what happened"));
        let begins_well = text.starts_with(|c: char| c.is_lowercase() || c == '{');
        assert!(begins_well && !text.ends_with('.'), "{place}: {text}");
        for field in telling.fields() {
            let is_free = !RESERVED_FIELDS.contains(&field.as_str());
            assert!(is_free, "{place}: field {field}");
        }
    }
}

#[test]
fn the_table_is_in_order_and_says_what_to_do() {
    assert!(EVENTS.is_sorted_by(|one, other| one.id < other.id));
    for kind in EVENTS {
        let is_id = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(kind.id.chars().all(is_id), "{}", kind.id);
        assert!(kind.meaning.ends_with('.'), "{}", kind.id);
        let is_grave = kind.levels.contains(&tracing::Level::ERROR);
        assert!(!is_grave || !kind.remedy.is_empty(), "{}", kind.id);
    }
}

/// `UPDATE_DOCS=1 cargo test -p overspill-node --test events` writes the table anew.
#[test]
fn the_docs_have_this_table() {
    let path = root().join("docs/logs.md");
    let text = fs::read_to_string(&path).expect("docs/logs.md");
    let (head, rest) = text.split_once(MARKS.0).expect("the mark before the table");
    let (table, tail) = rest.split_once(MARKS.1).expect("the mark after the table");
    if env::var_os("UPDATE_DOCS").is_some() {
        let text = [head, MARKS.0, &reference(), MARKS.1, tail].concat();
        return fs::write(&path, text).expect("a file that can be written");
    }
    assert_eq!(table, reference(), "UPDATE_DOCS=1 writes it anew");
}

impl Telling {
    /// The value of `event = "…"`.
    fn id(&self) -> Option<String> {
        self.tokens.windows(3).find_map(|three| match three {
            [
                TokenTree::Ident(name),
                TokenTree::Punct(is),
                TokenTree::Literal(id),
            ] if name == "event" && is.as_char() == '=' => {
                Some(id.to_string().trim_matches('"').to_owned())
            }
            _ => None,
        })
    }

    /// The text: the last string that follows a comma.
    fn text(&self) -> Option<String> {
        let mut strings = self.tokens.windows(2).filter_map(|two| match two {
            [TokenTree::Punct(comma), TokenTree::Literal(text)] if comma.as_char() == ',' => {
                Some(text.to_string())
            }
            _ => None,
        });
        let last = strings.rfind(|text| text.starts_with('"'));
        last.map(|text| text.trim_matches('"').to_owned())
    }

    /// Names that stand before `=`, or behind `%`, `?` or a comma.
    fn fields(&self) -> Vec<String> {
        let names = self.tokens.windows(2).filter_map(|two| match two {
            [TokenTree::Ident(name), TokenTree::Punct(is)] if is.as_char() == '=' => Some(name),
            [TokenTree::Punct(by), TokenTree::Ident(name)] if "%?,".contains(by.as_char()) => {
                Some(name)
            }
            _ => None,
        });
        names.map(ToString::to_string).collect()
    }
}

fn tellings() -> Vec<Telling> {
    let mut found = Vec::new();
    for name in CRATES {
        for file in sources(&root().join("crates").join(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            // Tests tell what they like.
            let product = text.split("#[cfg(test)]\nmod tests {").next();
            let tokens: TokenStream = product.unwrap_or(&text).parse().expect("tokens");
            let file = file.strip_prefix(root()).unwrap_or(&file);
            collect(&file.display().to_string(), tokens, &mut found);
        }
    }
    assert!(found.len() > 60, "only {} were found", found.len());
    found
}

/// Looks for `error!(…)` and its like at any depth, within other macros, too.
fn collect(file: &str, tokens: TokenStream, found: &mut Vec<Telling>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for three in tokens.windows(3) {
        if let [
            TokenTree::Ident(name),
            TokenTree::Punct(bang),
            TokenTree::Group(group),
        ] = three
            && bang.as_char() == '!'
            && LEVELS.iter().any(|level| name == level)
        {
            found.push(Telling {
                place: format!("{file}:{}", name.span().start().line),
                level: name.to_string(),
                tokens: group.stream().into_iter().collect(),
            });
        }
    }
    for tree in tokens {
        if let TokenTree::Group(group) = tree {
            collect(file, group.stream(), found);
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !is_test {
            files.push(path);
        }
    }
    files
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the checkout")
}
