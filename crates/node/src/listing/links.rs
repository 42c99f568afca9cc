//! Links from a page to other views of the same listing.
//!
//! What the client asked stays asked: a link changes one thing and keeps the selection, the order and
//! the page size. Queries are parsed and written anew, so nothing of a request is copied as it came.
//! It must never carry a ticket or a member's name on.

use overspill_core::{
    catalog::{Order, pairs},
    path::encode_component,
};

use crate::query::TreeQuery;

/// The parameters of a selection.
const SELECTION: [&str; 6] = ["name", "ext", "min_size", "max_size", "after", "before"];

/// What a listing was asked with, for the links to its other views.
pub(super) struct Links {
    /// Name and value of each condition, decoded.
    selection: Vec<(&'static str, Vec<u8>)>,
    order: Option<Order>,
    limit: Option<usize>,
}

impl Links {
    /// Links from a listing that was asked with this query.
    pub(super) fn new(raw: &[u8], query: &TreeQuery) -> Self {
        let selection = pairs(raw).filter_map(|(name, value)| {
            let ours = SELECTION.into_iter().find(|own| own.as_bytes() == name)?;
            (!value.is_empty()).then_some((ours, value))
        });
        Self {
            selection: selection.collect(),
            order: query.order,
            limit: query.limit.map(std::num::NonZeroUsize::get),
        }
    }

    /// The same listing in another order, from its first page.
    pub(super) fn sorted(&self, order: Order) -> String {
        let mut parts = self.conditions();
        parts.extend(order_parts(order));
        parts.extend(self.limit.map(|limit| format!("limit={limit}")));
        query(&parts)
    }

    /// Another page.
    pub(super) fn page(&self, cursor: &str) -> String {
        let mut parts = self.view();
        parts.push(format!("cursor={}", encode_component(cursor.as_bytes())));
        query(&parts)
    }

    /// The first page.
    pub(super) fn first(&self) -> String {
        query(&self.view())
    }

    /// The same listing for programs.
    pub(super) fn json(&self) -> String {
        let mut parts = self.view();
        parts.push("format=json".to_owned());
        query(&parts)
    }

    /// All of it as an archive.
    pub(super) fn archive(&self, format: &str) -> String {
        let mut parts = self.conditions();
        parts.push(format!("archive={format}"));
        query(&parts)
    }

    /// The checksums of all of it.
    pub(super) fn sums(&self) -> String {
        match self.selection[..] {
            [] => "SHA256SUMS".to_owned(),
            _ => format!("SHA256SUMS{}", query(&self.conditions())),
        }
    }

    /// Whether there are conditions.
    pub(super) fn is_selection(&self) -> bool {
        !self.selection.is_empty()
    }

    /// The glob of a selection that has one, as a search field shows it.
    pub(super) fn glob(&self) -> Option<String> {
        let (_, glob) = self.selection.iter().find(|(name, _)| *name == "name")?;
        Some(String::from_utf8_lossy(glob).into_owned())
    }

    /// What a form must send beside its own `name` to keep the view: names and values.
    pub(super) fn hidden(&self) -> Vec<(&'static str, String)> {
        let others = self.selection.iter().filter(|(name, _)| *name != "name");
        let mut hidden: Vec<_> = others
            .map(|(name, value)| (*name, String::from_utf8_lossy(value).into_owned()))
            .collect();
        if let Some(order) = self.order {
            hidden.push(("sort", order.key.as_str().to_owned()));
            hidden.push(("order", order.direction.as_str().to_owned()));
        }
        if let Some(limit) = self.limit {
            hidden.push(("limit", limit.to_string()));
        }
        hidden
    }

    /// The conditions, one after the other as people write them.
    pub(super) fn conditions_text(&self) -> String {
        let texts = self.selection.iter();
        let texts = texts.map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
        texts.collect::<Vec<_>>().join(", ")
    }

    fn view(&self) -> Vec<String> {
        let mut parts = self.conditions();
        parts.extend(self.order.into_iter().flat_map(order_parts));
        parts.extend(self.limit.map(|limit| format!("limit={limit}")));
        parts
    }

    fn conditions(&self) -> Vec<String> {
        let texts = self.selection.iter();
        texts
            .map(|(name, value)| format!("{name}={}", encode_component(value)))
            .collect()
    }
}

fn order_parts(order: Order) -> [String; 2] {
    [
        format!("sort={}", order.key.as_str()),
        format!("order={}", order.direction.as_str()),
    ]
}

/// A reference to the folder itself with this query.
fn query(parts: &[String]) -> String {
    if parts.is_empty() {
        "./".to_owned()
    } else {
        format!("?{}", parts.join("&"))
    }
}
