//! What operators add to the answers for some paths: caching, types, fields, other origins.
//!
//! Rules are compiled once and asked when a file is made ready, not for each request. The server
//! tells them to its mirrors, so an answer is the same wherever it comes from. They must never be
//! able to forge a field that we are responsible for, or to split a response.

use std::{
    collections::BTreeMap, ffi::OsStr, fmt::Write, os::unix::ffi::OsStrExt, path::Path, sync::Arc,
};

use arc_swap::ArcSwap;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use overspill_core::{dispatch::MAX_RUNNERS_UP, path::CatalogPath};
use overspill_http1::request::Fields;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::siblings::Offer;

/// One rule as the operator writes it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// Globs of the paths it is about. One without a slash is matched against the name, one with a
    /// slash against the whole path, as in a selection.
    #[serde(rename = "match")]
    pub paths: Vec<String>,
    /// The value of `Cache-Control`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// The value of `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether compressed forms beside the file (`.zst`, `.br`, `.gz`) are taken for it; without a
    /// word, for the types that browsers show or run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precompressed: Option<bool>,
    /// The origins whose scripts may read the file: `*`, or a list such as `https://a.example`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
    /// Most mirrors named in `Link` fields of a redirect, the one it leads to among them: 0 to 3;
    /// without a word, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<usize>,
    /// Any other fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Why a rule is no rule: the operator's to mend.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RuleError {
    /// It says nothing about paths.
    #[error("a rule needs match = [\"GLOB\", …]")]
    NoPaths,
    /// A glob does not parse.
    #[error("match: {glob:?} is not a glob: {reason}")]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A field's name is none.
    #[error("headers: {0:?} is not a field name; write letters, digits and hyphens")]
    FieldName(String),
    /// A field that is ours to send.
    #[error("headers: {0} is set by Overspill itself and cannot be changed by a rule{hint}", hint = hint(.0))]
    Ours(String),
    /// A value with a line break or another control character.
    #[error("{0}: the value has a control character")]
    Control(String),
    /// An origin that is none.
    #[error(
        "cors: {0:?} is not an origin; write \"*\", or a scheme and a host such as https://app.example"
    )]
    Origin(String),
    /// More links than are ever sent.
    #[error("links: {0} is more than {max}; each makes one download several, for some clients", max = MostLinks::MAX)]
    Links(usize),
    /// More than [`Rules::MAX_TEXT_BYTES`].
    #[error("the rules are longer than {} bytes together", Rules::MAX_TEXT_BYTES)]
    TooLong,
    /// More than [`Rules::MAX_RULES`], or a rule with more than [`Rules::MAX_VALUES`] of something.
    #[error("too many {0}")]
    TooMany(&'static str),
}

/// Fields whose truth we answer for.
const OURS: &[&str] = &[
    "accept-ranges",
    "access-control-allow-origin",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "digest",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "repr-digest",
    "strict-transport-security",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "x-content-type-options",
];

/// Response fields that scripts of other origins may read.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Length, \
     Content-Range, Digest, ETag, Last-Modified, Repr-Digest";

/// What other origins may do, and for how long they may remember it.
const PREFLIGHT: &str = "Access-Control-Allow-Methods: GET, HEAD\r\n\
     Access-Control-Allow-Headers: If-Match, If-Modified-Since, If-None-Match, If-Range, \
     If-Unmodified-Since, Range, Want-Digest, Want-Repr-Digest\r\n\
     Access-Control-Max-Age: 86400\r\n";

/// All rules, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    texts: Vec<RuleText>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    paths: GlobSet,
    cache_control: Option<String>,
    content_type: Option<String>,
    precompressed: Option<bool>,
    origins: Origins,
    links: Option<MostLinks>,
    headers: BTreeMap<String, String>,
}

/// Which other origins may read a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Origins {
    /// None: the browser's default.
    #[default]
    Own,
    /// Any.
    Any,
    /// These.
    These(Vec<String>),
}

/// Most mirrors that a redirect names, the one it leads to among them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MostLinks(pub(crate) usize);

/// The rules of a node, which may be replaced while it serves.
pub type SharedRules = Arc<ArcSwap<Rules>>;

/// What the rules say about one path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ruling {
    /// Whether compressed forms beside the file are taken for it.
    pub(crate) precompressed: Offer,
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) origins: Origins,
    /// Most mirrors that a redirect names.
    pub(crate) links: MostLinks,
    /// Lines for a response that carries or describes the file.
    pub(crate) lines: String,
}

impl Rules {
    /// Most rules.
    pub const MAX_RULES: usize = 256;
    /// Most bytes of all rules together, as JSON: they are told to mirrors in one message.
    pub const MAX_TEXT_BYTES: usize = 128 << 10;
    /// Most globs, origins or fields of one rule.
    pub const MAX_VALUES: usize = 64;

    /// Compiles `texts`; where several match a path, later ones have the last word on each point.
    pub fn compile(texts: Vec<RuleText>) -> Result<Self, RuleError> {
        if texts.len() > Self::MAX_RULES {
            return Err(RuleError::TooMany("rules"));
        }
        let text_bytes = serde_json::to_string(&texts).map_or(0, |text| text.len());
        if text_bytes > Self::MAX_TEXT_BYTES {
            return Err(RuleError::TooLong);
        }
        let rules = texts.iter().map(Rule::compile);
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { texts, rules })
    }

    /// The rules as they were written, for mirrors.
    pub fn texts(&self) -> &[RuleText] {
        &self.texts
    }

    /// What holds for `path`.
    pub(crate) fn about(&self, path: &CatalogPath) -> Ruling {
        let mut ruling = Ruling::default();
        // By lower-case name: two lines of one field would contradict each other.
        let mut headers = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| rule.is_about(path)) {
            if rule.cache_control.is_some() {
                ruling.cache_control.clone_from(&rule.cache_control);
            }
            if rule.content_type.is_some() {
                ruling.content_type.clone_from(&rule.content_type);
            }
            match rule.precompressed {
                Some(true) => ruling.precompressed = Offer::Always,
                Some(false) => ruling.precompressed = Offer::Never,
                None => {}
            }
            if rule.origins != Origins::Own {
                ruling.origins.clone_from(&rule.origins);
            }
            ruling.links = rule.links.unwrap_or(ruling.links);
            for (name, value) in &rule.headers {
                headers.insert(name.to_ascii_lowercase(), (name, value));
            }
        }
        for (name, value) in headers.values() {
            // Writing to a String cannot fail.
            let _ = write!(ruling.lines, "{name}: {value}\r\n");
        }
        ruling
    }
}

impl Rule {
    fn compile(text: &RuleText) -> Result<Self, RuleError> {
        for (count, what) in [
            (text.paths.len(), "globs in one rule"),
            (text.cors.len(), "origins in one rule"),
            (text.headers.len(), "headers in one rule"),
        ] {
            if count > Rules::MAX_VALUES {
                return Err(RuleError::TooMany(what));
            }
        }
        let value = |name: &str, value: &Option<String>| {
            value
                .as_deref()
                .map_or(Ok(()), |value| check_value(name, value))
        };
        value("cache_control", &text.cache_control)?;
        value("content_type", &text.content_type)?;
        Ok(Self {
            paths: compile_globs(&text.paths)?,
            cache_control: text.cache_control.clone(),
            content_type: text.content_type.clone(),
            precompressed: text.precompressed,
            origins: Origins::parse(&text.cors)?,
            links: text.links.map(MostLinks::parse).transpose()?,
            headers: checked_fields(&text.headers)?,
        })
    }

    fn is_about(&self, path: &CatalogPath) -> bool {
        let matches = |bytes| self.paths.is_match(Path::new(OsStr::from_bytes(bytes)));
        matches(path.name()) || matches(path.as_bytes())
    }
}

impl MostLinks {
    /// As many as are sent unless a rule says less.
    pub(crate) const MAX: usize = MAX_RUNNERS_UP + 1;

    fn parse(links: usize) -> Result<Self, RuleError> {
        if links > Self::MAX {
            return Err(RuleError::Links(links));
        }
        Ok(Self(links))
    }
}

impl Default for MostLinks {
    fn default() -> Self {
        Self(Self::MAX)
    }
}

impl Origins {
    fn parse(origins: &[String]) -> Result<Self, RuleError> {
        if origins.is_empty() {
            return Ok(Self::Own);
        }
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(bad) => Err(RuleError::Origin(bad.clone())),
            None => Ok(Self::These(origins.to_vec())),
        }
    }

    /// The lines for a request from `origin` (Fetch standard, section 3.2).
    pub(crate) fn lines(&self, origin: Option<&[u8]>) -> String {
        let allowed = match (self, origin) {
            (Self::Own, _) => return String::new(),
            (Self::Any, _) => "*",
            (Self::These(origins), Some(origin)) => {
                let allowed = origins.iter().find(|known| known.as_bytes() == origin);
                allowed.map_or("", String::as_str)
            }
            (Self::These(_), None) => "",
        };
        let mut lines = String::new();
        if !allowed.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(
                lines,
                "Access-Control-Allow-Origin: {allowed}\r\n\
                 Access-Control-Expose-Headers: {EXPOSED}\r\n"
            );
        }
        lines
    }

    /// The lines for a browser that asks before it asks (Fetch standard, section 4.8).
    pub(crate) fn preflight_lines(&self, fields: &Fields<'_>) -> String {
        let mut lines = self.lines(fields.origin);
        if !lines.is_empty() && fields.access_control_request_method.is_some() {
            lines.push_str(PREFLIGHT);
        }
        lines
    }

    /// Whether answers differ by the origin that asks.
    pub(crate) fn varies(&self) -> bool {
        matches!(self, Self::These(_))
    }
}

fn compile_globs(globs: &[String]) -> Result<GlobSet, RuleError> {
    if globs.is_empty() {
        return Err(RuleError::NoPaths);
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let built = GlobBuilder::new(glob).literal_separator(true).build();
        set.add(built.map_err(|error| RuleError::Glob {
            glob: glob.clone(),
            reason: error.kind().to_string(),
        })?);
    }
    set.build().map_err(|error| RuleError::Glob {
        glob: globs.join(" "),
        reason: error.to_string(),
    })
}

fn checked_fields(
    headers: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, RuleError> {
    let mut checked = BTreeMap::new();
    for (name, value) in headers {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(RuleError::FieldName(name.clone()));
        }
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(RuleError::Ours(name.clone()));
        }
        check_value(name, value)?;
        checked.insert(name.clone(), value.trim().to_owned());
    }
    Ok(checked)
}

fn check_value(name: &str, value: &str) -> Result<(), RuleError> {
    if value.chars().any(char::is_control) {
        return Err(RuleError::Control(name.to_owned()));
    }
    Ok(())
}

/// Scheme and authority without a path, as browsers send it (RFC 6454 section 7).
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    plain(scheme, "+-.") && plain(host, ".-:[]_")
}

fn hint(name: &str) -> &'static str {
    match name.to_ascii_lowercase().as_str() {
        "cache-control" => "; use cache_control",
        "content-type" => "; use content_type",
        "access-control-allow-origin" => "; use cors",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
