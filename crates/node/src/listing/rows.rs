//! The table of a page: its head, which sorts by plain links, and a row for each entry.
//!
//! A page has thousands of rows, so a row is written without a detour and is small. It must never
//! print a name unescaped.

use std::fmt::Write;

use overspill_core::{
    catalog::{Child, Direction, Order, SortKey},
    units::{display_date, display_size},
};
use overspill_wire::listing::{Listed, ListedKind};

use super::{
    html::{View, escape},
    icon,
};

/// The columns: what they sort by, their heading, and their class.
const COLUMNS: [(SortKey, &str, &str); 3] = [
    (SortKey::Name, "Name", "name"),
    (SortKey::Size, "Size", "size"),
    (SortKey::Mtime, "Modified", "time"),
];

/// Writes the table.
pub(super) fn table(html: &mut String, view: &View<'_>) {
    html.push_str("<table id=\"list\">\n<thead><tr>");
    for (key, heading, class) in COLUMNS {
        heading_cell(html, view, key, heading, class);
    }
    html.push_str("</thead>\n<tbody>\n");
    if !view.page.folder.is_root() && !view.links.is_selection() {
        html.push_str("<tr class=\"up\"><td><a href=\"../\">../</a><td><td>\n");
    }
    for child in &view.page.entries {
        row(html, view, *child);
    }
    html.push_str("</tbody>\n</table>\n");
}

/// A heading: a link to the listing by this column, the other way round if it is that already. Sizes
/// and times begin with the greatest, which is what people look for.
fn heading_cell(html: &mut String, view: &View<'_>, key: SortKey, heading: &str, class: &str) {
    let title = match key {
        SortKey::Mtime => " title=\"UTC\"",
        SortKey::Name | SortKey::Size => "",
    };
    let Some(current) = view.page.order else {
        // Too long to be sorted: nothing to click.
        let _ = write!(html, "<th scope=\"col\" class=\"{class}\"{title}>{heading}");
        return;
    };
    let (sorted, direction) = match (current.key == key, current.direction, key) {
        (true, direction, _) => (aria(direction), direction.reversed()),
        (false, _, SortKey::Name) => ("", Direction::Ascending),
        (false, ..) => ("", Direction::Descending),
    };
    let href = escape(&view.links.sorted(Order { key, direction }));
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<th scope=\"col\" class=\"{class}\"{sorted}{title}><a href=\"{href}\">{heading}</a>"
    );
}

fn aria(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => " aria-sort=\"ascending\"",
        Direction::Descending => " aria-sort=\"descending\"",
    }
}

fn row(html: &mut String, view: &View<'_>, child: Child<'_>) {
    let (path, entry) = child;
    let listed = Listed::new(view.page.folder, path, entry);
    let slash = match listed.kind {
        ListedKind::File => "",
        ListedKind::Folder => "/",
    };
    let _ = write!(
        html,
        "<tr class=\"{}\"><td><a href=\"./{}\">{}{slash}</a>",
        icon::class(child),
        escape(&listed.href),
        escape(&listed.name),
    );
    match listed.size {
        Some(size) => {
            let human = display_size(size);
            let _ = write!(
                html,
                "<td><data value=\"{size}\" title=\"{size} bytes\">{human}</data>"
            );
        }
        None => html.push_str("<td>"),
    }
    let date = display_date(entry.mtime_ns);
    let (day, minutes) = (
        date.get(..10).unwrap_or_default(),
        date.get(11..16).unwrap_or_default(),
    );
    let _ = writeln!(
        html,
        "<td><time datetime=\"{date}\" title=\"{date}\">{day} <i>{minutes}</i></time>"
    );
}
