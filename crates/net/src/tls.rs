//! TLS.
use std::sync::Arc;
/// Placeholder until merged.
#[derive(Debug)]
pub struct ServerTls(pub arc_swap::ArcSwap<rustls::ServerConfig>);
impl ServerTls {
    /// The configuration for new connections.
    pub fn current(&self) -> Arc<rustls::ServerConfig> {
        self.0.load_full()
    }
}
