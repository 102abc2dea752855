//! Folded texts: what is compared, never what is shown.
//!
//! The two databases fold differently, one of them ASCII alone, so that folding happens here and they compare bytes (R-B76).

use super::text::is_hidden;
use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::skeleton;

/// The form in which texts are searched: NFKD, marks dropped, full case folding, hidden characters dropped, runs of white
/// space as one space, trimmed. Stored text and query are folded alike: `nunez` finds `Núñez`, `strasse` finds `STRAẞE`.
///
/// The result has no line break, so that folded fields can be lines of one text; folding it again changes nothing.
#[must_use]
pub fn search_fold(text: &str) -> String {
    let mut folded = fold_once(text);
    // Folding a case can bring a new mark, dropping a mark a new case. Two rounds do for every text known; the bound only
    // keeps a future table from turning this into an endless loop.
    for _ in 0..8 {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

fn fold_once(text: &str) -> String {
    let folded: String =
        text.nfkd().filter(|&c| !is_combining_mark(c) && (c.is_whitespace() || !is_hidden(c))).default_case_fold().collect();
    one_spaced(&folded)
}

/// Runs of white space as one space, none around.
pub(super) fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is unique about the name of a group: names with the same key are the same name to a reader, whatever their case,
/// width, spacing or look-alike letters (UTS #39, confusable skeletons).
///
/// A skeleton tells apart what a case joins (`Н` looks like H, but `н` like no Latin letter), so that each letter outside
/// ASCII stands for whichever of its cases looks like ASCII.
#[must_use]
pub fn name_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.nfkc().default_case_fold().nfkc().nfd() {
        if c.is_whitespace() {
            key.push(' ');
            continue;
        }
        let small = prototype(c.encode_utf8(&mut [0; 4]));
        if c.is_ascii() || small.is_ascii() {
            key.push_str(&small);
            continue;
        }
        let large = prototype(&c.to_uppercase().collect::<String>());
        key.push_str(if large.is_ascii() { &large } else { &small });
    }
    one_spaced(&key.nfc().collect::<String>())
}

/// What a letter looks like, in one case.
fn prototype(letter: &str) -> String {
    skeleton(letter).default_case_fold().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn r_b76_case_and_accents_are_ignored_beyond_ascii() {
        for (stored, query) in [
            ("Ägnes Öz", "ägnes"),
            ("Ägnes Öz", "öz"),
            ("Ägnes Öz", "A\u{308}GNES"),
            ("Червоний", "черв"),
            ("İnci", "inci"),
            ("İnci", "İNCİ"),
            ("STRAẞE", "strasse"),
            ("Straße", "STRASSE"),
            ("Núñez", "nunez"),
            ("ΙΩΆΝΝΑΣ", "ιωαννας"),
            ("Zoë  van\u{a0}der\tBerg", "van der berg"),
            ("ﬁlip", "FI"),
        ] {
            assert!(search_fold(stored).contains(&search_fold(query)), "{query} finds {stored}");
        }
        assert_eq!(search_fold("caf\u{e9}"), search_fold("cafe\u{301}"));
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        for (a, b) in [
            ("Sales", "SALES"),
            ("Sales", "Ѕаlеѕ"),
            ("Sales", "Ｓａｌｅｓ"),
            ("Sales  Team", " sales\u{a0}team"),
            ("Finance", "Fіnance"),
            ("Billing", "Вilling"),
            ("Support", "Suррort"),
            ("HR", "НR"),
            ("Ops", "0ps"),
            ("Straße", "STRASSE"),
            ("Café", "Cafe\u{301}"),
            ("INFO", "info"),
        ] {
            assert_eq!(name_key(a), name_key(b), "{a} and {b}");
        }
    }

    #[test]
    fn case_never_makes_a_second_name_in_any_script() {
        for name in ["Вера", "Начальники", "Ιωάννα", "Ağrı", "Կարեն", "ქართული", "Ꭰꭰ"] {
            assert_eq!(name_key(name), name_key(&name.to_lowercase()), "{name}");
            if !name.contains('ı') {
                assert_eq!(name_key(name), name_key(&name.to_uppercase()), "{name}");
            }
        }
    }

    #[test]
    fn different_names_have_different_keys() {
        let names = ["Sales", "Sale", "Support", "Café", "Cafe", "Team 1", "Team 2", "営業", "支援", "Продажи", "Поддержка"];
        for (i, a) in names.iter().enumerate() {
            for b in &names[i + 1..] {
                assert_ne!(name_key(a), name_key(b), "{a} and {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn search_fold_is_idempotent(text in any::<String>()) {
            let folded = search_fold(&text);
            prop_assert_eq!(search_fold(&folded), folded);
        }

        #[test]
        fn search_fold_is_one_clean_line(text in any::<String>()) {
            let folded = search_fold(&text);
            prop_assert!(!folded.chars().any(|c| c != ' ' && (c.is_whitespace() || is_hidden(c))));
            prop_assert_eq!(folded.trim(), &folded);
        }

        #[test]
        fn name_key_ignores_ascii_case(name in "[ -~]{0,20}") {
            prop_assert_eq!(name_key(&name.to_ascii_uppercase()), name_key(&name.to_ascii_lowercase()));
        }

        #[test]
        fn name_key_takes_any_text(name in any::<String>()) {
            let _ = name_key(&name);
        }
    }

    #[test]
    fn every_letter_keeps_its_fold() {
        for c in '\u{1}'..=char::MAX {
            let folded = search_fold(c.encode_utf8(&mut [0; 4]));
            assert_eq!(fold_once(&folded), folded, "U+{:04X}", u32::from(c));
        }
    }
}
