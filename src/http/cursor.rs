//! The opaque place in a list that `meta.next_cursor` gives out.
//!
//! Made and read by [`page`](super::page); the store sees only the key.
//!
//! **Invariant:** a cursor reads back as what was written, or not at all. It is not signed: it
//! gives nothing that a page number would not, because every list is read for the caller's
//! organization alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;

/// First byte of the encoding; a new layout gets a new one, and old cursors are refused.
const VERSION: u8 = 1;
/// Keys are a time and a UUID at most; the rest is room.
const KEY_BYTES_MAX: usize = 256;
/// Version and offset.
const HEAD_BYTES: usize = 1 + size_of::<u64>();

/// The last row that was shown, and how many rows came up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The row's key in the list's order.
    pub key: String,
    /// Rows up to and including it, so that `from` and `to` go on counting.
    pub offset: u64,
}

impl Cursor {
    /// URL-safe base64 without padding.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.key.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for anything that [`encode`](Self::encode) did not make.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (offset, key) = rest.split_first_chunk()?;
        let offset = u64::from_be_bytes(*offset);
        let fits = *version == VERSION
            && (1..=KEY_BYTES_MAX).contains(&key.len())
            && i64::try_from(offset).is_ok();
        let key = String::from_utf8(key.to_vec()).ok()?;
        fits.then_some(Self { key, offset })
    }

    /// 422 naming `cursor`: for one that cannot be read, or whose key is none of the list's.
    pub fn malformed() -> ApiError {
        ApiError::invalid_field("cursor", "cursor is not one that this list gave out.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let cursor = Cursor { key: "2026-11-23T05:23:00Z/é".to_owned(), offset: 40 };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }

    #[test]
    fn what_is_no_cursor_does_not_read() {
        let other_version = URL_SAFE_NO_PAD.encode(b"\x02\0\0\0\0\0\0\0\x01key");
        let absurd_offset = Cursor { key: "key".to_owned(), offset: u64::MAX }.encode();
        let no_key = Cursor { key: String::new(), offset: 1 }.encode();
        for text in ["", "*", "AQ", "AQ==", &other_version, &absurd_offset, &no_key] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
