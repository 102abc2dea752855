//! What a page cursor holds.

/// Where the next page begins, and of which list it is the next page.
///
/// A caller gets it only sealed; here is its content. The filter's digest binds it to the question it was given for: a
/// cursor of one search is no cursor of another (R-B79).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The tool that answered the page before.
    pub tool: String,
    /// Digest of that call's filters and order.
    pub filter: [u8; 16],
    /// The key of the last row that was shown.
    pub after: i64,
}

impl Position {
    /// The layout below. Another one gets another number, so that old cursors are refused and not misread.
    const VERSION: u8 = 1;

    /// Version, filter, key in big endian, tool.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[Self::VERSION], &self.filter[..], &self.after.to_be_bytes(), self.tool.as_bytes()].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for every other content.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version], rest) = bytes.split_first_chunk()?;
        let (&filter, rest) = rest.split_first_chunk()?;
        let (&after, tool) = rest.split_first_chunk()?;
        (version == Self::VERSION).then_some(())?;
        Some(Self { tool: str::from_utf8(tool).ok()?.to_owned(), filter, after: i64::from_be_bytes(after) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn another_version_is_no_position() {
        let mut bytes = Position { tool: "list_users".into(), filter: [7; 16], after: 25 }.to_bytes();
        bytes[0] = 2;
        assert_eq!(Position::from_bytes(&bytes), None);
        for short in 0..25 {
            assert_eq!(Position::from_bytes(&[1; 25][..short]), None);
        }
    }

    proptest! {
        #[test]
        fn positions_round_trip(tool in "[a-z_]{0,40}", filter in any::<[u8; 16]>(), after in any::<i64>()) {
            let position = Position { tool, filter, after };
            prop_assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            if let Some(position) = Position::from_bytes(&bytes) {
                prop_assert_eq!(position.to_bytes(), bytes);
            }
        }
    }
}
