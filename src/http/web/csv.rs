//! Lists as files for spreadsheets: CSV (RFC 4180), sent part by part, and safe to open.

use super::views::PAGE_HEADERS;
use crate::{app::SharedApp, domain::RequestId, error::Error};
use axum::{
    body::{Body, HttpBody},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Without it Excel takes UTF-8 for the code page of its country, and names break.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Parts that wait to be taken, at most: a slow reader makes the next one wait, not the memory grow.
const WAITING: usize = 2;

/// What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection), the wide and small forms included.
fn begins_a_formula(first: char) -> bool {
    matches!(
        first,
        '=' | '+'
            | '-'
            | '@'
            | '\t'
            | '\r'
            | '\n'
            | '\u{ff1d}'
            | '\u{ff0b}'
            | '\u{ff0d}'
            | '\u{ff20}'
            | '\u{fe66}'
            | '\u{fe62}'
            | '\u{fe63}'
            | '\u{fe6b}'
    )
}

/// Whether a text would be taken for a formula, whatever white space or apostrophes stand before it.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches(|c: char| c == '\'' || c == ' ' || (c.is_whitespace() && !begins_a_formula(c))).starts_with(begins_a_formula)
}

/// What separates cells in some countries: there a spreadsheet takes what stands behind it for a cell of its own, quoted or not.
const SEPARATORS: [char; 2] = [';', '\t'];

/// One cell: always quoted, and behind an apostrophe where it, or what stands behind one of [`SEPARATORS`] in it, would be a formula.
///
/// To read it back: wherever [`is_formula`] holds, at the beginning and behind each of those, the first apostrophe is ours. It holds with
/// and without that one, so that texts which have apostrophes of their own there come back as they were.
#[must_use]
pub(super) fn cell(text: &str) -> String {
    let mut shielded = String::with_capacity(text.len() + 2);
    let mut rest = text;
    loop {
        if is_formula(rest) {
            shielded.push('\'');
        }
        let Some((_, after)) = rest.split_once(SEPARATORS) else { break };
        shielded.push_str(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    shielded.push_str(rest);
    format!("\"{}\"", shielded.replace('"', "\"\""))
}

/// One line with its end.
#[must_use]
fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<_> = cells.iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

/// A list that is read part by part while it is sent.
pub(super) trait Parts: Send + 'static {
    /// The lines of the next part, each with as many cells as the heading; none at the end. What it may show is asked of the
    /// database for each part, like for each request.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Vec<String>>>, Error>> + Send;
}

/// A file whose text is made part by part while it is sent.
pub(super) trait Texts: Send + 'static {
    /// The next part; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, Error>> + Send;
}

/// A list, written as a spreadsheet reads it.
struct Lines<P>(P);

impl<P: Parts> Texts for Lines<P> {
    async fn next(&mut self) -> Result<Option<String>, Error> {
        Ok(self.0.next().await?.map(|lines| lines.iter().map(|cells| line(cells)).collect()))
    }
}

/// Lines on their way.
struct Coming(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

async fn send(mut texts: impl Texts, beginning: String, to: mpsc::Sender<io::Result<Bytes>>, request_id: RequestId) {
    let mut text = beginning;
    loop {
        // Whoever has hung up wants no more of it.
        if !text.is_empty() && to.send(Ok(Bytes::from(text))).await.is_err() {
            return;
        }
        text = match texts.next().await {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%request_id, ?error, "a file was broken off");
                // A connection that breaks is seen to be broken; a file that only ends would be taken for whole.
                let _ = to.send(Err(io::Error::other("the list cannot be read further"))).await;
                return;
            }
        };
    }
}

/// A list as a file to keep. `name` is of letters, digits, dots and hyphens.
pub(super) fn attachment(app: &SharedApp, name: &str, heading: &[&str], parts: impl Parts) -> Response {
    let heading = format!("{BYTE_ORDER_MARK}{}", line(heading));
    file(app, name, "text/csv; charset=utf-8; header=present", heading, Lines(parts))
}

/// A file to keep, of this media type, which begins so. `name` is of letters, digits, dots and hyphens.
pub(super) fn file(app: &SharedApp, name: &str, content_type: &'static str, beginning: String, texts: impl Texts) -> Response {
    let (to, coming) = mpsc::channel(WAITING);
    tokio::spawn(send(texts, beginning, to, RequestId::new(app.clock.now(), &app.random)));
    let mut response = Body::new(Coming(coming)).into_response();
    for (name, value) in PAGE_HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if app.public_url.is_https() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an import does with a cell.
    fn read(cell: &str) -> String {
        let text = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap().replace("\"\"", "\"");
        let parts = text.split_inclusive(SEPARATORS);
        let mut from = 0;
        let parts = parts.map(|part| {
            let is_ours = is_formula(&text[from..]);
            from += part.len();
            if is_ours { part.strip_prefix('\'').unwrap() } else { part }
        });
        parts.collect()
    }

    #[test]
    fn no_part_of_a_cell_is_a_formula_where_a_semicolon_separates() {
        assert_eq!(cell("Support; Night;=1+1;"), "\"Support; Night;'=1+1;\"");
        for text in ["a;=1", "a; =1", "a;'=1", "a\t+1;@b", ";-1", "a;b", "a;", ";;=1", "=1;=2", "a;\"=1"] {
            assert_eq!(read(&cell(text)), text);
            for part in cell(text).trim_matches('"').split(SEPARATORS) {
                assert!(!part.trim_start().starts_with(begins_a_formula), "{text:?}: {part:?}");
            }
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_each_comes_back_as_it_was() {
        for text in [
            "=HYPERLINK(\"http://evil.example\")",
            "+1",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "＋1",
            "－1",
            "＠SUM(1)",
            "﹦1",
            " =1",
            "\u{3000}=1",
            "'=1",
            "''＝1",
            "' =1",
        ] {
            assert!(cell(text).starts_with("\"'"), "{text:?}: {}", cell(text));
            assert_eq!(read(&cell(text)), text);
        }
    }

    #[test]
    fn what_is_none_stays_as_it_is() {
        for text in ["Ana Ruiz", "’t Hooft", "'t Hooft", "ana@example.com", "Ruiz-Núñez", "", "a\"b", "1=1", "ليلى", "a\r\nb,c"] {
            assert!(!cell(text).starts_with("\"'=") && read(&cell(text)) == text, "{text:?}: {}", cell(text));
        }
        assert_eq!(cell("'t Hooft"), "\"'t Hooft\"");
        assert_eq!(line(&["a", "b \"c\", d"]), "\"a\",\"b \"\"c\"\", d\"\r\n");
    }
}
