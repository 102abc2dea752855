//! Lists of people that Administrators go through part by part, oldest account first.

use super::sql::{Row, StoreError};

/// How many people one part has.
const PART: usize = 50;

/// A part of such a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// At most 50.
    pub people: Vec<T>,
    /// Whether others come after the last.
    pub more: bool,
}

impl<T> Listed<T> {
    /// How many rows to ask for: one more than a part has tells whether there are others.
    pub(super) fn limit() -> i64 {
        i64::try_from(PART).unwrap_or(i64::MAX) + 1
    }

    /// Out of those rows.
    pub(super) fn read(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Result<Self, StoreError> {
        let people = rows.iter().take(PART).map(read).collect::<Result<_, _>>()?;
        Ok(Self { people, more: rows.len() > PART })
    }
}
