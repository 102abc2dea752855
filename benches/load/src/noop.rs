//! The floor: an MCP server on the same libraries that answers every call with the same text and does nothing else.

use rmcp::{
    ErrorData, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, RoleServer},
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager},
};
use std::{
    io::{Result, Write},
    sync::Arc,
};

#[derive(Clone)]
struct Noop(Arc<str>);

impl ServerHandler for Noop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> std::result::Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new("noop", "Does nothing.", Arc::new(JsonObject::new()))]))
    }

    async fn call_tool(&self, _: CallToolRequestParams, _: RequestContext<RoleServer>) -> std::result::Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text(&*self.0)]).into())
    }
}

/// Serves answers of about this many bytes on a free port, and says which.
pub(crate) async fn serve(bytes: usize) -> Result<()> {
    // Text with quotes in it, as JSON inside JSON has: escaping them is part of every answer.
    let text: Arc<str> = r#"{"id":"0197","name":"Ana"}"#.repeat(bytes / 26 + 1).into();
    let service = StreamableHttpService::new(
        move || Ok(Noop(Arc::clone(&text))),
        Arc::new(NeverSessionManager::default()),
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true).with_sse_keep_alive(None),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await
}
