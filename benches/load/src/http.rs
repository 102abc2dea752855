//! HTTP/1.1 over one kept connection, with as little work as possible: the client shares the machine with what it measures.

use std::io::{Error, ErrorKind, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Path of the MCP endpoint.
    pub(crate) path: String,
    /// Personal token; empty for none. `{n}` becomes the number of the call, in as many digits as a token has.
    pub(crate) token: String,
}

impl Target {
    /// From an `http://` URL.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| Error::other(format!("{url} is not an http:// URL")))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { authority: authority.to_owned(), path: format!("/{path}"), token: token.to_owned() })
    }

    /// The same server with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The bytes of a tool call.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Vec<u8> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#);
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: {}\r\n\r\n{body}",
            self.path,
            self.authority,
            self.token,
            body.len()
        )
        .into_bytes()
    }
}

impl Target {
    /// The bytes of a page's request.
    pub(crate) fn page(&self, path: &str, cookies: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\n\r\n", self.authority).into_bytes()
    }

    /// The bytes of a form, as no browser sends it: without cookies.
    pub(crate) fn form(&self, path: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.authority,
            body.len()
        )
        .into_bytes()
    }
}

/// An answer; the body lies in the connection's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: &'a [u8],
    /// Decoded body.
    pub(crate) body: &'a [u8],
}

impl Reply<'_> {
    /// Whether it is the result of a tool call that went through. Errors stand at the ends of an answer.
    pub(crate) fn is_result(&self) -> bool {
        let (front, back) = (&self.body[..self.body.len().min(64)], &self.body[self.body.len().saturating_sub(256)..]);
        self.status == 200 && !contains(front, b"\"error\":") && !contains(back, b"\"isError\":true")
    }

    /// The cookies that it sets, as a browser sends them back.
    pub(crate) fn cookies(&self) -> String {
        let head = String::from_utf8_lossy(self.head).into_owned();
        let set = head.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        set.map(|(_, value)| value.split(';').next().unwrap_or_default().trim()).collect::<Vec<_>>().join("; ")
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        String::from_utf8_lossy(self.head).lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// One connection; it is made anew when the server has closed it.
pub(crate) struct Connection {
    authority: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// To a target; connects with the first request.
    pub(crate) fn new(target: &Target) -> Self {
        Self { authority: target.authority.clone(), stream: None, buffer: Vec::with_capacity(64 * 1024), body: Vec::new() }
    }

    /// Sends a request and reads its answer. A connection that the server closed in between is replaced once.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        let kept = self.stream.is_some();
        let head = match self.attempt(request).await {
            Ok(head) => head,
            Err(_) if kept => {
                self.stream = None;
                self.attempt(request).await?
            }
            Err(error) => return Err(error),
        };
        let status = std::str::from_utf8(self.buffer.get(9..12).unwrap_or_default()).ok().and_then(|text| text.parse().ok());
        Ok(Reply { status: status.ok_or(ErrorKind::InvalidData)?, head: &self.buffer[..head], body: &self.body })
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<usize> {
        let stream = if let Some(stream) = &mut self.stream {
            stream
        } else {
            let stream = TcpStream::connect(&self.authority).await?;
            stream.set_nodelay(true)?;
            self.stream.insert(stream)
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        self.body.clear();
        let head = loop {
            read_more(stream, &mut self.buffer).await?;
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let mut length = 0;
        let (mut chunked, mut closes) = (false, false);
        for line in self.buffer[..head].split(|byte| *byte == b'\n').skip(1) {
            let line = String::from_utf8_lossy(line).to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else { continue };
            match (name, value.trim()) {
                ("content-length", value) => length = value.parse().map_err(|_| ErrorKind::InvalidData)?,
                ("transfer-encoding", "chunked") => chunked = true,
                ("connection", "close") => closes = true,
                _ => {}
            }
        }
        if chunked {
            let mut at = head;
            loop {
                let line = loop {
                    if let Some(end) = self.buffer[at..].windows(2).position(|window| window == b"\r\n") {
                        break at + end;
                    }
                    read_more(stream, &mut self.buffer).await?;
                };
                let size = std::str::from_utf8(&self.buffer[at..line]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
                let (start, size) = (line + 2, size.ok_or(ErrorKind::InvalidData)?);
                while self.buffer.len() < start + size + 2 {
                    read_more(stream, &mut self.buffer).await?;
                }
                self.body.extend_from_slice(&self.buffer[start..start + size]);
                at = start + size + 2;
                if size == 0 {
                    break;
                }
            }
        } else {
            while self.buffer.len() < head + length {
                read_more(stream, &mut self.buffer).await?;
            }
            self.body.extend_from_slice(&self.buffer[head..head + length]);
        }
        if closes {
            self.stream = None;
        }
        Ok(head)
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    if stream.read_buf(buffer).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
