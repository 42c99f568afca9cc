//! The listing page: one document, no script, nothing loaded from anywhere.
//!
//! Its style stands in the page and is named by hash in the Content-Security-Policy, so an injected
//! style or script would not run even if escaping failed. It must never print a name unescaped.

use std::fmt::Write;

use overspill_core::{
    catalog::{Child, Entry, Kind},
    path::{CatalogPath, encode_component},
    units::{counted, display_date, display_size},
};
use overspill_wire::listing::{Listed, ListedKind};

use super::{Page, folder_url, folders_first};

/// The page's style. Its hash stands in [`POLICY`]; a test compares the two.
const STYLE: &str = include_str!("listing.css");

/// The Content-Security-Policy of listing pages.
pub(crate) const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; style-src 'sha256-OtGdejFm1S9CT5CGED2sZM9TzKbeVcJPS8PYn95w2WU='";

/// Renders a page.
pub(crate) fn render(page: &Page<'_>) -> String {
    let title = escape(&format!("/{}", page.folder.to_text()));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<main>\n"
    );
    breadcrumbs(&mut html, page.folder);
    html.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Name<th scope=\"col\" class=\"n\">Size\
         <th scope=\"col\">Modified (UTC)</thead>\n<tbody>\n",
    );
    if !page.folder.is_root() {
        html.push_str("<tr class=\"up\"><td><a href=\"../\">../</a><td class=\"n\"><td>\n");
    }
    for child in folders_first(&page.entries) {
        row(&mut html, page.folder, child);
    }
    html.push_str("</tbody>\n</table>\n");
    footer(&mut html, page);
    html.push_str("</main>\n</html>\n");
    html
}

fn breadcrumbs(html: &mut String, folder: &CatalogPath) {
    html.push_str("<nav aria-label=\"Folders\"><h1><a href=\"/\">/</a>");
    let mut above = CatalogPath::root();
    for segment in folder
        .as_bytes()
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
    {
        let Ok(path) = above.join(segment) else { break };
        let name = escape(&String::from_utf8_lossy(segment));
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<a href=\"{}\">{name}</a>/",
            escape(&folder_url(&path))
        );
        above = path;
    }
    html.push_str("</h1></nav>\n");
}

fn row(html: &mut String, folder: &CatalogPath, (path, entry): Child<'_>) {
    let listed = Listed::new(folder, path, entry);
    let slash = if listed.kind == ListedKind::Folder {
        "/"
    } else {
        ""
    };
    let _ = write!(
        html,
        "<tr class=\"{}\"><td><a href=\"./{}\">{}{slash}</a>",
        class(entry),
        escape(&listed.href),
        escape(&listed.name),
    );
    match listed.size {
        Some(size) => {
            let _ = write!(
                html,
                "<td class=\"n\" title=\"{size} bytes\">{}",
                display_size(size)
            );
        }
        None => html.push_str("<td class=\"n\">"),
    }
    let date = display_date(entry.mtime_ns);
    let minutes = date.get(..16).unwrap_or(&date).replace('T', " ");
    let _ = writeln!(
        html,
        "<td><time datetime=\"{date}\" title=\"{date}\">{minutes}</time>"
    );
}

fn class(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::File => "file",
        Kind::Folder => "dir",
    }
}

fn footer(html: &mut String, page: &Page<'_>) {
    let files = page
        .entries
        .iter()
        .filter(|(_, entry)| entry.kind == Kind::File);
    let (count, bytes) = files.fold((0_u64, 0_u64), |(count, bytes), (_, entry)| {
        (count + 1, bytes + entry.size)
    });
    let folders = page.entries.len() as u64 - count;
    let _ = write!(
        html,
        "<footer>{}, {}, {}",
        counted(folders, "folder"),
        counted(count, "file"),
        display_size(bytes)
    );
    if let Some(next) = &page.next {
        let cursor = encode_component(next.to_url().as_bytes());
        let _ = write!(
            html,
            " on this page. <a rel=\"next\" href=\"?cursor={cursor}\">More</a>"
        );
    }
    html.push_str("</footer>\n");
}

/// Text made safe for element content and quoted attributes. A `./` before each link keeps a name
/// such as `javascript:x` from being read as a scheme.
fn escape(text: &str) -> String {
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
