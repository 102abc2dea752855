//! What all texts of people and programs have in common.

use super::Invalid;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Whether a character shows nothing, or changes how others are shown: controls, bidirectional overrides and isolates,
/// zero-width characters, variation selectors, tags, blank fillers. With them two texts look alike, a text reads
/// differently from what it is, or carries words that only a program sees.
///
/// These are the general category Cc and the property `Default_Ignorable_Code_Point` (UAX #44), which holds the bidirectional controls,
/// joiners and tags, and further line separators, interlinear marks and the empty Braille pattern.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}'
                | '\u{34F}'
                | '\u{61C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFC}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// The text trimmed and in NFC, refused where a character is hidden, which includes every line break.
///
/// # Errors
/// Names the field; `what` is the noun for it in the sentence.
pub(super) fn visible_line(field: &'static str, text: &str) -> Result<String, Invalid> {
    // Spaces around are trimmed, line breaks around are not: a value that brings one is no line (R-B98).
    if text.chars().any(is_hidden) {
        return Err(Invalid::new(field, format!("`{field}` must be one line without control, bidirectional or zero-width characters."))
            .with_hint("Send the plain text again, without line breaks and invisible characters."));
    }
    Ok(text.trim().nfc().collect())
}

/// Refuses more than `max` characters, with the limit named (R-B11).
pub(super) fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    // `nth` looks at no more than it must: ten megabytes are refused as fast as eleven characters.
    if text.chars().nth(max).is_some() {
        return Err(Invalid::new(field, format!("`{field}` may have at most {max} characters.")).with_hint("Shorten it."));
    }
    Ok(())
}

/// Whether anything of the text can be seen.
pub(super) fn is_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !is_combining_mark(c))
}

/// Refuses what mail programs turn into a link although nobody made it one (R-B92). The one rule: a name must not contain
/// `://`, nor `www.` at the start of a word, nor a dot with a letter, digit, hyphen or underscore right before it and two
/// or more letters right after it. A space after the dot makes it a name: "St. John", "Dr. Smith"; initials pass as they
/// are: "J.R.".
pub(super) fn unlinked(field: &'static str, text: &str) -> Result<(), Invalid> {
    if looks_linked(text) {
        return Err(Invalid::new(
            field,
            format!("`{field}` must not contain what mail programs turn into a link: `://`, `www.`, or a dot directly followed by two or more letters."),
        )
        .with_hint("Put a space after the dot, as in St. John, or leave the address out."));
    }
    Ok(())
}

fn looks_linked(text: &str) -> bool {
    // Compatibility forms first: full-width dots and slashes are links as well.
    let letters: Vec<char> = text.nfkc().flat_map(char::to_lowercase).map(|c| if c == '。' { '.' } else { c }).collect();
    let joins = |c: char| c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '-' | '_');
    let is = |at: usize, is: &dyn Fn(char) -> bool| letters.get(at).is_some_and(|&c| is(c));
    (0..letters.len()).any(|at| {
        let rest = &letters[at..];
        let starts_word = at == 0 || !joins(letters[at - 1]);
        rest.starts_with(&[':', '/', '/'])
            || (starts_word && rest.starts_with(&['w', 'w', 'w', '.']))
            || (at > 0
                && rest[0] == '.'
                && joins(letters[at - 1])
                && is(at + 1, &char::is_alphabetic)
                && is(at + 2, &|c| c.is_alphabetic() || is_combining_mark(c)))
    })
}
