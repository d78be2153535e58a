//! Stub.
use std::sync::Arc;
use baton_handoff::ports::*;
/// Stub.
pub struct BackOffice;
impl BackOffice { /// Stub.
 pub fn new(_: Arc<dyn Store>, _: Arc<dyn Env>) -> Self { Self } }
#[async_trait::async_trait]
impl Tools for BackOffice {
  async fn lookup(&self, _r: &ToolRequest) -> Result<String, ToolError> { Ok("{\"items\":[{\"item_id\":\"item_1\",\"product\":\"Rocket-powered unicycle\"}]}".into()) }
  async fn act(&self, _r: &ToolRequest, _k: &str) -> Outcome { Outcome::Done("{\"refund_id\":\"r1\",\"status\":\"done\"}".into()) }
  async fn amount_cents(&self, _r: &ToolRequest) -> Option<u64> { Some(100) }
}
