//! Every name in a trace or a metric, in one place: those of OpenTelemetry's conventions for generative AI, and our own, which begin
//! with `baton.`. `infra/docs/traces.md` says what each of ours is.

/// The version of the conventions that these names are from.
pub const CONVENTIONS: &str = "semantic-conventions-genai v0.1.0";

/// What a span does: one of the three below.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Operation: a model writes a response.
pub const CHAT: &str = "chat";
/// Operation: an agent is at work.
pub const INVOKE_AGENT: &str = "invoke_agent";
/// Operation: a tool is called.
pub const EXECUTE_TOOL: &str = "execute_tool";

/// Who serves the model.
pub const PROVIDER: &str = "gen_ai.provider.name";
/// The conversation.
pub const CONVERSATION: &str = "gen_ai.conversation.id";
/// The agent.
pub const AGENT: &str = "gen_ai.agent.name";
/// The model, as the service calls it.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// Whether the answer was streamed.
pub const STREAM: &str = "gen_ai.request.stream";
/// The service's id of the response.
pub const RESPONSE_ID: &str = "gen_ai.response.id";
/// Why the response ended.
pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Seconds from the request to the first piece of the response.
pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// Tokens of the request, cached ones included.
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Tokens of the answer.
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Tokens of the request that the service had in its cache.
pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Tokens of the request that the service wrote into its cache.
pub const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
/// The tool.
pub const TOOL: &str = "gen_ai.tool.name";
/// Where a tool runs.
pub const TOOL_TYPE: &str = "gen_ai.tool.type";
/// The value of it for a tool that runs on our side.
pub const EXTENSION: &str = "extension";
/// The model's id of a call.
pub const TOOL_CALL: &str = "gen_ai.tool.call.id";
/// Why something failed, in one word.
pub const ERROR: &str = "error.type";

/// Span: a turn as a whole.
pub const TURN: &str = "baton.turn";
/// Span: another agent became active.
pub const HAND_OFF: &str = "baton.hand_off";
/// Span: an action waited for its customer's yes.
pub const CONFIRMATION: &str = "baton.confirmation";
/// Span: an action waited for an operator.
pub const APPROVAL: &str = "baton.approval";
/// Span: an action waited for a worker.
pub const QUEUE: &str = "baton.queue";
/// Span: nobody knew what had become of an action, until an operator said it.
pub const SETTLEMENT: &str = "baton.settlement";
/// Span: a worker tried an action, from the first attempt to its end.
pub const ATTEMPTS: &str = "baton.attempts";

/// Event: another process went on with a turn, after a crash or near a deadline.
pub const RECOVERED: &str = "baton.recovered";
/// Event: a model call brought no response, and another one was made.
pub const CALL_FAILED: &str = "baton.call_failed";

/// The tenant.
pub const TENANT: &str = "baton.tenant";
/// The number of a turn in its conversation.
pub const NUMBER: &str = "baton.turn.number";
/// What began a turn.
pub const ORIGIN: &str = "baton.turn.origin";
/// How a turn, or an action, ended.
pub const STATE: &str = "baton.state";
/// The number of a model response in its turn, from 0.
pub const STEP: &str = "baton.step";
/// What it cost, in units of 10^-12 US dollars.
pub const COST: &str = "baton.cost.usd_picos";
/// How often a request was sent until it was answered.
pub const TRIES: &str = "baton.tries";
/// The request was too long for the model, and was made shorter.
pub const SHORTENED: &str = "baton.shortened";
/// The model by its name in the team file.
pub const MODEL: &str = "baton.model";
/// The agent that handed off.
pub const HAND_OFF_FROM: &str = "baton.hand_off.from";
/// The agent that was handed to.
pub const HAND_OFF_TO: &str = "baton.hand_off.to";
/// An action.
pub const ACTION: &str = "baton.action.id";
/// The amount that an action moves, in US cents.
pub const AMOUNT: &str = "baton.action.amount_cents";
/// What was decided, or answered.
pub const DECISION: &str = "baton.decision";
