//! The XML of a metalink, event by event.

use std::sync::Arc;

use overspill_core::root::Sha256;
use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::ResolveResult,
};

use super::{Metalink, MetalinkError, PieceSums, clean_name, http_url};
use crate::url::HttpUrl;

/// What was read of the file so far.
#[derive(Default)]
struct Draft {
    files: usize,
    name: Option<String>,
    size: Option<u64>,
    sha256: Option<Sha256>,
    piece_bytes: Option<u64>,
    sums: Vec<[u8; 32]>,
    urls: Vec<(u32, HttpUrl)>,
}

/// The element whose text is being read, with what its attributes said.
enum Open {
    Hash,
    PieceHash,
    Size,
    Url { priority: u32 },
}

pub(super) fn parse(text: &[u8]) -> Result<Metalink, MetalinkError> {
    let text = std::str::from_utf8(text).map_err(|error| MetalinkError::Xml(error.to_string()))?;
    let mut reader = NsReader::from_str(text);
    let mut draft = Draft::default();
    let mut path: Vec<String> = Vec::new();
    let mut open = None;
    let mut value = String::new();
    loop {
        let (space, event) = reader.read_resolved_event().map_err(xml)?;
        let is_ours = matches!(space, ResolveResult::Bound(space) if space.0 == NAMESPACE);
        match event {
            Event::Start(start) => {
                let name = if is_ours {
                    local_name(&start)
                } else {
                    String::new()
                };
                path.push(name);
                if path.len() > DEPTH_MAX {
                    return Err(too_large("levels", DEPTH_MAX));
                }
                open = draft.opened(&path, &start)?;
                value.clear();
            }
            Event::Empty(start) if is_ours && local_name(&start) == "file" => draft.files += 1,
            Event::Text(part) => value.push_str(&part),
            Event::GeneralRef(reference) => value.push_str(&resolved(&reference)?),
            Event::End(_) => {
                if let Some(open) = open.take() {
                    draft.closed(open, value.trim())?;
                }
                path.pop();
                value.clear();
            }
            // Entities of its own are how small files become large ones.
            Event::DocType(_) => return Err(MetalinkError::Xml("a document type".to_owned())),
            Event::Eof if path.is_empty() => break,
            Event::Eof => return Err(MetalinkError::Xml("it ends early".to_owned())),
            _ => {}
        }
    }
    draft.finish()
}

impl Draft {
    fn opened(
        &mut self,
        path: &[String],
        start: &BytesStart<'_>,
    ) -> Result<Option<Open>, MetalinkError> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        Ok(match path[..] {
            ["metalink", "file"] => {
                self.files += 1;
                if self.files == 1 {
                    let name =
                        attribute(start, "name")?.ok_or(MetalinkError::Missing("file name"))?;
                    self.name = Some(clean_name(&name)?);
                }
                None
            }
            _ if self.files > 1 => None,
            ["metalink", "file", "size"] => Some(Open::Size),
            ["metalink", "file", "hash"] => {
                let is_sha256 = attribute(start, "type")?.as_deref() == Some(SHA256);
                is_sha256.then_some(Open::Hash)
            }
            ["metalink", "file", "pieces"] => {
                if attribute(start, "type")?.as_deref() == Some(SHA256)
                    && self.piece_bytes.is_none()
                {
                    let length = attribute(start, "length")?
                        .ok_or(MetalinkError::Missing("piece length"))?;
                    self.piece_bytes = Some(number("piece length", &length)?);
                }
                None
            }
            ["metalink", "file", "pieces", "hash"] if self.piece_bytes.is_some() => {
                Some(Open::PieceHash)
            }
            ["metalink", "file", "url"] => {
                let priority = match attribute(start, "priority")? {
                    None => PRIORITY_WORST,
                    Some(text) => {
                        u32::try_from(number("priority", &text)?).unwrap_or(PRIORITY_WORST)
                    }
                };
                Some(Open::Url { priority })
            }
            _ => None,
        })
    }

    fn closed(&mut self, open: Open, value: &str) -> Result<(), MetalinkError> {
        match open {
            Open::Hash => self.sha256 = Some(sum("hash", value)?),
            Open::PieceHash => {
                if self.sums.len() == PIECES_MAX {
                    return Err(too_large("pieces", PIECES_MAX));
                }
                self.sums.push(sum("piece hash", value)?.0);
            }
            Open::Size => self.size = Some(number("size", value)?),
            Open::Url { priority } => {
                if self.urls.len() == URLS_MAX {
                    return Err(too_large("URLs", URLS_MAX));
                }
                // FTP and others are fine in a metalink; we do not speak them.
                if let Ok(url) = http_url(value) {
                    self.urls.push((priority, url));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Metalink, MetalinkError> {
        if self.files != 1 {
            return Err(MetalinkError::Files(self.files));
        }
        let size_bytes = self.size.ok_or(MetalinkError::Missing("size"))?;
        // Stable: among equals the order of the document counts.
        self.urls.sort_by_key(|(priority, _)| *priority);
        let urls: Vec<_> = self.urls.into_iter().map(|(_, url)| url).collect();
        if urls.is_empty() {
            return Err(MetalinkError::Missing("http:// or https:// URL"));
        }
        let pieces = self
            .piece_bytes
            .map(|bytes| pieces(bytes, size_bytes, self.sums))
            .transpose()?;
        Ok(Metalink {
            name: self.name.ok_or(MetalinkError::Missing("file name"))?,
            size_bytes,
            sha256: self.sha256,
            pieces,
            urls,
        })
    }
}

fn pieces(bytes: u64, size_bytes: u64, sums: Vec<[u8; 32]>) -> Result<PieceSums, MetalinkError> {
    let invalid = |element, value: String| Err(MetalinkError::Invalid { element, value });
    if !PIECE_BYTES_ALLOWED.contains(&bytes) {
        return invalid("piece length", bytes.to_string());
    }
    if size_bytes.div_ceil(bytes) != sums.len() as u64 {
        return invalid("number of pieces", sums.len().to_string());
    }
    let sums = Arc::from(sums);
    Ok(PieceSums { bytes, sums })
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, MetalinkError> {
    let found = start.try_get_attribute(name);
    let found = found.map_err(|error| MetalinkError::Xml(error.to_string()))?;
    found
        .map(|it| {
            it.normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map(|value| value.into_owned())
        })
        .transpose()
        .map_err(|error| MetalinkError::Xml(error.to_string()))
}

fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, MetalinkError> {
    let unknown = || MetalinkError::Xml("an entity that XML does not have".to_owned());
    if let Some(character) = reference.resolve_char_ref().map_err(xml)? {
        return Ok(character.to_string());
    }
    let text = quick_xml::escape::resolve_predefined_entity(reference).ok_or_else(unknown)?;
    Ok(text.to_owned())
}

fn local_name(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

fn number(element: &'static str, text: &str) -> Result<u64, MetalinkError> {
    let invalid = |_| MetalinkError::Invalid {
        element,
        value: text.to_owned(),
    };
    text.trim().parse().map_err(invalid)
}

fn sum(element: &'static str, text: &str) -> Result<Sha256, MetalinkError> {
    let invalid = |_| MetalinkError::Invalid {
        element,
        value: text.to_owned(),
    };
    text.to_ascii_lowercase().parse().map_err(invalid)
}

fn xml(error: quick_xml::Error) -> MetalinkError {
    MetalinkError::Xml(error.to_string())
}

fn too_large(what: &'static str, most: usize) -> MetalinkError {
    MetalinkError::TooLarge { what, most }
}

const NAMESPACE: &str = "urn:ietf:params:xml:ns:metalink";
const SHA256: &str = "sha-256";
/// RFC 5854 section 4.2.16.1: 1 to 999999, lower is better.
const PRIORITY_WORST: u32 = 999_999;
/// No element of a metalink is that deep.
const DEPTH_MAX: usize = 16;
/// The sources a transfer can have.
const URLS_MAX: usize = 1000;
/// As many as fit into the largest metalink.
const PIECES_MAX: usize = 1 << 18;
/// Smaller pieces make more requests than sense; larger ones, more memory.
const PIECE_BYTES_ALLOWED: std::ops::RangeInclusive<u64> = (16 << 10)..=(16 << 20);
