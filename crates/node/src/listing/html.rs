//! The listing page: one document that loads nothing from anywhere.
//!
//! Everything works by plain links and forms; the script adds a live filter and the keyboard. It must
//! never print a name unescaped.

use std::fmt::Write;

use overspill_core::{
    catalog::Kind,
    path::CatalogPath,
    units::{counted, display_size},
};

use super::{
    folder_url,
    links::Links,
    page::{MAX_SORTED_ENTRIES, Page},
    policy::{SCRIPT, STYLE},
    readme::Rendered,
    rows,
};

/// What a page shows.
pub(super) struct View<'a> {
    /// The entries.
    pub(super) page: &'a Page<'a>,
    /// Where its links lead.
    pub(super) links: &'a Links,
    /// The folder's README, if it is shown.
    pub(super) readme: Option<Rendered>,
}

/// The formats of archives that a page offers, with what they are good for.
const ARCHIVES: [(&str, &str); 3] = [
    ("tar", "stored, can be resumed"),
    ("tar.zst", "compressed"),
    ("zip", "stored, can be resumed"),
];
/// A folder for the browser's tab. Without it every browser would ask for `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27 \
    viewBox=%270 0 16 16%27%3E%3Cpath fill=%27%23d09a35%27 d=%27M1 3h5l2 2h7v9H1z%27/%3E%3C/svg%3E";
/// Bytes that a row takes, about: room for the page is made once.
const ROW_BYTES: usize = 320;

impl View<'_> {
    /// The page as HTML.
    pub(super) fn render(&self) -> String {
        let rows_bytes = self.page.entries.len() * ROW_BYTES;
        let mut html = String::with_capacity(STYLE.len() + SCRIPT.len() + 4096 + rows_bytes);
        let title = escape(&format!("/{}", self.page.folder.to_text()));
        let _ = write!(
            html,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n<style>{STYLE}</style>\n<main>\n"
        );
        breadcrumbs(&mut html, self.page.folder);
        self.tools(&mut html);
        self.selection_note(&mut html);
        rows::table(&mut html, self);
        self.footer(&mut html);
        self.readme(&mut html);
        let _ = write!(html, "</main>\n<script>{SCRIPT}</script>\n</html>\n");
        html
    }

    /// The search field and the downloads.
    fn tools(&self, html: &mut String) {
        let glob = escape(&self.links.glob().unwrap_or_default());
        let _ = write!(
            html,
            "<div class=\"tools\">\n<form role=\"search\" action=\"./\">\
             <input id=\"filter\" type=\"search\" name=\"name\" value=\"{glob}\" \
             placeholder=\"Search, as *.iso\" aria-label=\"Search by name, as *.iso\" \
             autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\" maxlength=\"256\">"
        );
        for (name, value) in self.links.hidden() {
            let value = escape(&value);
            let _ = write!(
                html,
                "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
            );
        }
        html.push_str(
            "<button title=\"Files here and below whose name matches\">Search</button></form>\n\
             <p class=\"get\">",
        );
        for (format, good_for) in ARCHIVES {
            let href = escape(&self.links.archive(format));
            let _ = writeln!(
                html,
                "<a href=\"{href}\" rel=\"nofollow\" title=\"All of it as {format}: {good_for}\">\
                 {format}</a>"
            );
        }
        let (sums, json) = (escape(&self.links.sums()), escape(&self.links.json()));
        let _ = write!(
            html,
            "<a href=\"{sums}\" title=\"For sha256sum -c\">SHA256SUMS</a>\n\
             <a href=\"{json}\" rel=\"nofollow\" title=\"This listing for programs\">JSON</a>\
             </p>\n</div>\n"
        );
    }

    fn selection_note(&self, html: &mut String) {
        if self.links.is_selection() {
            let text = escape(&self.links.conditions_text());
            let _ = writeln!(
                html,
                "<p class=\"note\">Files here and below with <b>{text}</b>. \
                 <a href=\"./\">Show the folder</a></p>"
            );
        }
        if self.page.order.is_none() {
            let _ = writeln!(
                html,
                "<p class=\"note\">More than {MAX_SORTED_ENTRIES} entries: in the order of their \
                 paths. Search to narrow them down and sort them.</p>"
            );
        }
    }

    fn footer(&self, html: &mut String) {
        let entries = &self.page.entries;
        let files = entries.iter().filter(|(_, entry)| entry.kind == Kind::File);
        let (files, bytes) = files.fold((0_u64, 0_u64), |(files, bytes), (_, entry)| {
            (files + 1, bytes + entry.size)
        });
        let folders = match entries.len() as u64 - files {
            0 => String::new(),
            folders => format!("{}, ", counted(folders, "folder")),
        };
        let (files, size) = (counted(files, "file"), display_size(bytes));
        let _ = write!(
            html,
            "<footer><p id=\"summary\" role=\"status\">{folders}{files}, {size}"
        );
        let is_part =
            self.page.next.is_some() || self.page.span.is_some_and(|span| span.before > 0);
        if is_part {
            html.push_str(" on this page");
        }
        html.push_str("</p>\n");
        if is_part {
            self.pages(html);
        }
        html.push_str("</footer>\n");
    }

    /// Which page of how many, and the ways to the others.
    fn pages(&self, html: &mut String) {
        html.push_str("<nav aria-label=\"Pages\" class=\"pages\">");
        if let Some(span) = self.page.span {
            let end = span.before + self.page.entries.len();
            let _ = write!(
                html,
                "<span>{}–{end} of {}</span>",
                span.before + 1,
                span.total
            );
        }
        if self.page.span.is_none_or(|span| span.before > 0) {
            let href = escape(&self.links.first());
            let _ = write!(html, "<a href=\"{href}\">First page</a>");
        }
        if let Some(next) = &self.page.next {
            let href = escape(&self.links.page(next));
            let _ = write!(html, "<a rel=\"next\" href=\"{href}\">Next page</a>");
        }
        html.push_str("</nav>\n");
    }

    fn readme(&self, html: &mut String) {
        let Some(readme) = &self.readme else { return };
        let (name, body) = (escape(&readme.name), &readme.html);
        let href = escape(&readme.href);
        let _ = write!(
            html,
            "<article class=\"readme\" aria-label=\"{name}\">\n{body}"
        );
        if readme.is_cut {
            let _ = writeln!(html, "<p><a href=\"./{href}\">The rest of {name}</a></p>");
        }
        html.push_str("</article>\n");
    }
}

fn breadcrumbs(html: &mut String, folder: &CatalogPath) {
    html.push_str(
        "<nav aria-label=\"Folders\"><h1><a class=\"home\" href=\"/\" aria-label=\"Top folder\">/</a><span>/</span>",
    );
    let mut above = CatalogPath::root();
    for segment in folder
        .as_bytes()
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
    {
        let Ok(path) = above.join(segment) else { break };
        let name = escape(&String::from_utf8_lossy(segment));
        let here = if path == *folder {
            " aria-current=\"page\""
        } else {
            ""
        };
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<a href=\"{}\"{here}>{name}</a><span>/</span>",
            escape(&folder_url(&path))
        );
        above = path;
    }
    html.push_str("</h1></nav>\n");
}

/// Text made safe for element content and quoted attributes. A `./` before each link keeps a name
/// such as `javascript:x` from being read as a scheme.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}
