//! Markdown from a file of the tree as HTML that is safe to stand in our page.
//!
//! Whoever may write a file must not thereby speak for the server: raw HTML is shown as text, links
//! lead to `http`, `https`, `mailto` or a relative place, images are relative. It works on the
//! parser's events, so there is no HTML of others to be cleaned. The page's policy stands behind it.
//! It must never pass an event on that it does not know to be harmless.

use pulldown_cmark::{
    Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html,
};

/// Deepest nesting shown; what lies deeper is left out. A browser has its own limit, and some crash.
const MAX_DEPTH: usize = 64;

/// Renders a text of bounded size.
pub(super) fn render(text: &str) -> String {
    let options =
        Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut filter = Filter::default();
    let events = Parser::new_ext(text, options).filter_map(|event| filter.pass(event));
    let mut html = String::with_capacity(text.len() * 3 / 2);
    push_html(&mut html, events);
    html
}

/// What has been opened and not passed on, so that its end is not passed on either.
#[derive(Default)]
struct Filter {
    depth: usize,
    /// For each open link or image whether its tags are shown.
    shown: Vec<Shown>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Shown {
    AsTag,
    AsText,
}

impl Filter {
    fn pass<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                let tag = self.start(tag);
                tag.filter(|_| self.depth <= MAX_DEPTH).map(Event::Start)
            }
            Event::End(end) => {
                let too_deep = self.depth > MAX_DEPTH;
                self.depth = self.depth.saturating_sub(1);
                let end = self.end(end);
                end.filter(|_| !too_deep).map(Event::End)
            }
            _ if self.depth > MAX_DEPTH => None,
            // Shown as it was written: a reader sees that something is there, and what.
            Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
            Event::Text(_)
            | Event::Code(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => Some(event),
            Event::DisplayMath(_) | Event::FootnoteReference(_) | Event::InlineMath(_) => None,
        }
    }

    /// The tag to write, if any.
    fn start<'a>(&mut self, tag: Tag<'a>) -> Option<Tag<'a>> {
        match tag {
            Tag::Link { ref dest_url, .. } => {
                let shown = link(dest_url);
                self.open(shown).then_some(tag)
            }
            Tag::Image { ref dest_url, .. } => {
                let shown = image(dest_url);
                self.open(shown).then_some(tag)
            }
            Tag::Heading { level, .. } => Some(Tag::Heading {
                level: below_the_page(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            // An aligned column would be written with a `style`, which the policy forbids.
            Tag::Table(columns) => Some(Tag::Table(vec![Alignment::None; columns.len()])),
            Tag::HtmlBlock => Some(Tag::Paragraph),
            Tag::BlockQuote(_) => Some(Tag::BlockQuote(None)),
            Tag::CodeBlock(_)
            | Tag::Emphasis
            | Tag::Item
            | Tag::List(_)
            | Tag::Paragraph
            | Tag::Strikethrough
            | Tag::Strong
            | Tag::TableCell
            | Tag::TableHead
            | Tag::TableRow => Some(tag),
            Tag::DefinitionList
            | Tag::DefinitionListDefinition
            | Tag::DefinitionListTitle
            | Tag::FootnoteDefinition(_)
            | Tag::MetadataBlock(_)
            | Tag::Subscript
            | Tag::Superscript => None,
        }
    }

    fn end(&mut self, end: TagEnd) -> Option<TagEnd> {
        match end {
            TagEnd::Image | TagEnd::Link => (self.shown.pop() == Some(Shown::AsTag)).then_some(end),
            TagEnd::Heading(level) => Some(TagEnd::Heading(below_the_page(level))),
            TagEnd::HtmlBlock => Some(TagEnd::Paragraph),
            TagEnd::BlockQuote(_) => Some(TagEnd::BlockQuote(None)),
            TagEnd::CodeBlock
            | TagEnd::Emphasis
            | TagEnd::Item
            | TagEnd::List(_)
            | TagEnd::Paragraph
            | TagEnd::Strikethrough
            | TagEnd::Strong
            | TagEnd::Table
            | TagEnd::TableCell
            | TagEnd::TableHead
            | TagEnd::TableRow => Some(end),
            TagEnd::DefinitionList
            | TagEnd::DefinitionListDefinition
            | TagEnd::DefinitionListTitle
            | TagEnd::FootnoteDefinition
            | TagEnd::MetadataBlock(_)
            | TagEnd::Subscript
            | TagEnd::Superscript => None,
        }
    }

    fn open(&mut self, shown: Shown) -> bool {
        self.shown.push(shown);
        shown == Shown::AsTag
    }
}

/// Headings stand one below where they were: the page has a first heading of its own.
fn below_the_page(level: HeadingLevel) -> HeadingLevel {
    HeadingLevel::try_from(level as usize + 1).unwrap_or(HeadingLevel::H6)
}

fn link(url: &str) -> Shown {
    match destination(url) {
        Destination::Scheme("http" | "https" | "mailto") => Shown::AsTag,
        Destination::Scheme(_) => Shown::AsText,
        Destination::Authority | Destination::Relative => Shown::AsTag,
    }
}

fn image(url: &str) -> Shown {
    match destination(url) {
        Destination::Relative => Shown::AsTag,
        Destination::Authority | Destination::Scheme(_) => Shown::AsText,
    }
}

/// Where a reference leads.
enum Destination {
    /// To another host with the page's scheme: `//host/x`.
    Authority,
    /// To somewhere on this server.
    Relative,
    /// Wherever its scheme says: one of those we pass on, or empty.
    Scheme(&'static str),
}

/// Reads a reference as browsers do (URL standard, section 4.4): they drop tabs, line breaks and
/// controls before they look, and take `\\` for a slash.
fn destination(url: &str) -> Destination {
    let plain: String = url
        .chars()
        .filter(|character| !character.is_control() && !character.is_whitespace())
        .map(|character| if character == '\\' { '/' } else { character })
        .collect();
    if plain.starts_with("//") {
        return Destination::Authority;
    }
    let end = plain.find([':', '/', '?', '#']);
    let Some((scheme, _)) = end
        .map(|end| plain.split_at(end))
        .filter(|(_, rest)| rest.starts_with(':'))
    else {
        return Destination::Relative;
    };
    let scheme = scheme.to_ascii_lowercase();
    let mut known = ["http", "https", "mailto"].into_iter();
    Destination::Scheme(known.find(|known| *known == scheme).unwrap_or(""))
}

#[cfg(test)]
mod tests;
