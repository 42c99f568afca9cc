//! Which pieces a part holds: `NAME.part.json` of a file that is pulled in pieces.
//!
//! Where pieces can be proved it is not even read: what lies there is checked. For files of others
//! it is believed only if its sum is right, and only for the same URL, tag and size.

use std::{fs, io, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use crate::url::HttpUrl;

/// The state as JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct PieceState {
    v: u32,
    /// What the user asked for.
    url: String,
    /// The strong entity tag, quotes included.
    etag: String,
    /// Size in bytes.
    size: u64,
    /// Bytes of a piece.
    group: u64,
    /// One bit a piece, in base64.
    #[serde(with = "base64_text")]
    bitmap: Vec<u8>,
    /// CRC-32 of this JSON with a `crc` of 0.
    crc: u32,
}

impl PieceState {
    /// Of a part that holds what `bitmap` says.
    pub(crate) fn new(
        url: &HttpUrl,
        etag: &str,
        (size, group): (u64, u64),
        bitmap: Vec<u8>,
    ) -> Self {
        Self {
            v: FORMAT,
            url: url.to_string(),
            etag: etag.to_owned(),
            size,
            group,
            bitmap,
            crc: 0,
        }
    }

    /// A piece more is there.
    pub(crate) fn add(&mut self, piece: u32) {
        if let Some(byte) = self.bitmap.get_mut(piece as usize / 8) {
            *byte |= 1 << (piece % 8);
        }
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.bitmap.iter().all(|byte| *byte == 0)
    }

    /// Those it holds, if it is about the same bytes as `other`.
    pub(crate) fn pieces_of(&self, other: &Self) -> Vec<u32> {
        let about = |state: &Self| {
            (
                state.url.clone(),
                state.etag.clone(),
                state.size,
                state.group,
            )
        };
        if about(self) != about(other) || self.bitmap.len() != other.bitmap.len() {
            return Vec::new();
        }
        let bits = (0u32..).zip(
            self.bitmap
                .iter()
                .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)),
        );
        bits.filter(|(_, bit)| *bit == 1)
            .map(|(piece, _)| piece)
            .collect()
    }

    /// Reads one; `None` if it is not there or not whole.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let mut text = Vec::new();
        let file = fs::File::open(path).ok()?;
        file.take(STATE_BYTES_MAX).read_to_end(&mut text).ok()?;
        let state: Self = serde_json::from_slice(&text).ok()?;
        (state.v == FORMAT && state.sum().ok() == Some(state.crc)).then_some(state)
    }

    /// Writes it, at once or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension("json.new");
        let crc = self.sum()?;
        let state = Self {
            crc,
            ..self.clone()
        };
        fs::write(&fresh, serde_json::to_vec(&state)?)?;
        fs::rename(&fresh, path)
    }

    fn sum(&self) -> io::Result<u32> {
        let unsigned = Self {
            crc: 0,
            ..self.clone()
        };
        Ok(crc32fast::hash(&serde_json::to_vec(&unsigned)?))
    }
}

mod base64_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{BASE64, Engine};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(text: D) -> Result<Vec<u8>, D::Error> {
        BASE64
            .decode(String::deserialize(text)?)
            .map_err(D::Error::custom)
    }
}

/// 1 is that of a part that grows from its beginning.
const FORMAT: u32 = 2;
/// A bitmap of 2^27 pieces, 128 TiB, and a URL.
const STATE_BYTES_MAX: u64 = 24 << 20;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn state(etag: &str) -> PieceState {
        let url = HttpUrl::parse("http://h/a").unwrap();
        let mut state = PieceState::new(&url, etag, (20 << 20, 1 << 20), vec![0; 3]);
        assert!(state.is_empty());
        for piece in [0, 9, 19] {
            state.add(piece);
        }
        state
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.part.json");
        state("\"1\"").write(&path).unwrap();
        let read = PieceState::read(&path).unwrap();
        assert_eq!(read.pieces_of(&state("\"1\"")), [0, 9, 19]);
        assert!(read.pieces_of(&state("\"2\"")).is_empty());
    }

    #[test]
    fn any_damage_is_no_state() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.part.json");
        state("\"1\"").write(&path).unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let read = PieceState::read(&path);
            assert!(read.is_none(), "{}", String::from_utf8_lossy(&bad));
        }
        for text in [&b""[..], &[0; 80], &good[..good.len() - 1]] {
            fs::write(&path, text).unwrap();
            assert_eq!(PieceState::read(&path), None);
        }
    }
}
