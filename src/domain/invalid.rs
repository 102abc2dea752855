//! Why a text is refused.

use std::borrow::Cow;

/// A refused value: its sentence names the field, the accepted form and the next step, and never quotes what was sent,
/// because the sender's words would otherwise speak with the server's voice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The argument at fault.
    pub field: &'static str,
    /// What is wrong with it and which form is accepted.
    pub message: Cow<'static, str>,
    /// What to do next.
    pub hint: Option<Cow<'static, str>>,
}

impl Invalid {
    /// A refusal without a hint.
    #[must_use]
    pub fn new(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field, message: message.into(), hint: None }
    }

    /// The same with its next step.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same for whoever fills in a form: the field by its label, examples in quotation marks.
    #[must_use]
    pub fn on_a_page(&self, label: &str) -> String {
        let whole = match &self.hint {
            Some(hint) => format!("{} {hint}", self.message),
            None => self.message.clone().into_owned(),
        };
        let (mut said, mut open) = (String::with_capacity(whole.len()), true);
        for letter in whole.replace(&format!("`{}`", self.field), label).chars() {
            said.push(match letter {
                '`' if open => '“',
                '`' => '”',
                _ => letter,
            });
            open ^= letter == '`';
        }
        said
    }
}
