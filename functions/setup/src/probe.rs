//! What a model can do, found by asking it: a sentence, two tool calls, and an answer to their results.
//! Knows the model port and the clock; never the team.

mod words;

pub use words::Found;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_handoff::ports::{
    CallDelta, FinishReason, Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest,
    ToolCall, ToolDefinition, Usage,
};
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::value::RawValue;

/// How long one answer may take as a whole.
const LONGEST: Duration = Duration::from_secs(90);

/// Services cache a prefix from 1,024 or 4,096 tokens on: so many lines have more.
const PRICES: usize = 400;

const TOOL: &str = "look_up_price";

const PARAMETERS: &str =
    r#"{"type":"object","properties":{"item":{"type":"string"}},"required":["item"]}"#;

/// What a model did.
#[derive(Debug)]
pub struct Probe {
    /// Why it cannot be used at all.
    pub unusable: Option<String>,
    /// How long the first byte of its first answer took.
    pub first_byte: Option<Duration>,
    /// The pieces of its longest answer.
    pub pieces: usize,
    /// The tokens of its first answer, if its service counts them.
    pub usage: Option<Usage>,
    /// The calls of one response, and what is wrong with tools.
    pub tools: Result<usize, String>,
    /// Of a request whose beginning was sent before.
    pub repeated: Option<Usage>,
}

/// A finished answer.
#[derive(Default)]
struct Answer {
    text: String,
    pieces: usize,
    calls: Vec<ToolCall>,
    usage: Option<Usage>,
    opaque: Option<String>,
    first_byte: Option<Duration>,
    finished: Option<FinishReason>,
}

/// Asks the model, three times at most. Each wait is bounded.
pub async fn probe(model: &Arc<dyn Model>) -> Probe {
    let mut probe = Probe {
        unusable: None,
        first_byte: None,
        pieces: 0,
        usage: None,
        tools: Ok(0),
        repeated: None,
    };
    let sentence = "Write the numbers from one to twenty as words in one sentence.";
    let plain = request("Answer in one sentence.", sentence, &no_tools());
    let answer = match ask(model, plain).await {
        Ok(answer) => answer,
        Err(why) => {
            probe.unusable = Some(why);
            return probe;
        }
    };
    if answer.text.trim().is_empty() {
        probe.unusable = Some("it answered without a word".to_owned());
        return probe;
    }
    probe.first_byte = answer.first_byte;
    probe.pieces = answer.pieces;
    probe.usage = answer.usage;
    probe.tools = tools(model, &mut probe).await;
    probe
}

async fn tools(model: &Arc<dyn Model>, probe: &mut Probe) -> Result<usize, String> {
    let definitions: Arc<[ToolDefinition]> = Arc::new([definition()?]);
    let wanted = format!(
        "Call {TOOL} for the anvil and for the rope, both in one response. Then tell me both prices in one sentence."
    );
    let first = request(&long_instructions(), &wanted, &definitions);
    let answer = ask(model, first.clone()).await?;
    if answer.calls.is_empty() {
        return Err("it was told to call a tool and called none".to_owned());
    }
    for call in &answer.calls {
        let arguments = serde_json::from_str::<Value>(&call.arguments).unwrap_or_default();
        if call.name != TOOL || !arguments.get("item").is_some_and(Value::is_string) {
            return Err("it called a tool with a wrong name or without its argument".to_owned());
        }
    }
    let found = answer.calls.len();
    let mut second = first;
    let calls: Arc<[ToolCall]> = answer.calls.into();
    second.messages.push(Message::Assistant {
        text: answer.text.into(),
        calls: calls.clone(),
        opaque: answer.opaque.map(Arc::from),
    });
    for call in calls.iter() {
        second.messages.push(Message::Tool {
            call: call.id.clone(),
            result: r#"{"usd":7}"#.into(),
        });
    }
    let last = ask(model, second).await;
    let last = last.map_err(|why| format!("it called, and then refused the results: {why}"))?;
    probe.repeated = last.usage;
    probe.pieces = probe.pieces.max(last.pieces);
    Ok(found)
}

/// Long enough for a cache, and the same in each run.
fn long_instructions() -> String {
    let mut text = String::from("You sell these goods; prices are looked up.");
    for number in 1..=PRICES {
        let shelf = number % 7;
        // Writing to a string cannot fail.
        let _ = write!(text, "\nGoods number {number} are in shelf {shelf}.");
    }
    text
}

fn no_tools() -> Arc<[ToolDefinition]> {
    Arc::new([])
}

fn definition() -> Result<ToolDefinition, String> {
    let parameters = RawValue::from_string(PARAMETERS.to_owned());
    Ok(ToolDefinition {
        name: TOOL.to_owned(),
        description: "Looks up the price of one item.".to_owned(),
        parameters: Arc::from(parameters.map_err(|error| error.to_string())?),
    })
}

fn request(instructions: &str, words: &str, tools: &Arc<[ToolDefinition]>) -> ModelRequest {
    ModelRequest {
        messages: vec![
            Message::System(instructions.into()),
            Message::User(words.into()),
        ],
        tools: tools.clone(),
    }
}

/// Err is the reason, for a person.
async fn ask(model: &Arc<dyn Model>, request: ModelRequest) -> Result<Answer, String> {
    let asked = tokio::time::timeout(LONGEST, read(model, request)).await;
    let Ok(read) = asked else {
        return Err(format!("its answer took more than {} s", LONGEST.as_secs()));
    };
    let answer = read.map_err(|error| words::of(&error))?;
    match answer.finished {
        Some(FinishReason::Stop | FinishReason::Length) => Ok(answer),
        Some(FinishReason::ContentFilter) => Err("its filter cut the answer".to_owned()),
        None => Err("its answer has no end".to_owned()),
    }
}

async fn read(model: &Arc<dyn Model>, request: ModelRequest) -> Result<Answer, ModelError> {
    let asked_at = Instant::now();
    let mut stream = Arc::clone(model).stream(request).await?;
    let mut answer = Answer::default();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        answer.first_byte.get_or_insert_with(|| asked_at.elapsed());
        match chunk {
            ModelChunk::Text(text) => {
                answer.pieces += 1;
                answer.text.push_str(&text);
            }
            ModelChunk::Call(delta) => add(&mut answer.calls, delta)?,
            ModelChunk::Finished(reason) => answer.finished = Some(reason),
            ModelChunk::Usage(usage) => answer.usage = Some(usage),
            ModelChunk::Opaque(opaque) | ModelChunk::OpaqueAnywhere(opaque) => {
                answer.opaque = Some(opaque);
            }
            ModelChunk::Id(_) | ModelChunk::Tries(_) => {}
        }
    }
    Ok(answer)
}

fn add(calls: &mut Vec<ToolCall>, delta: CallDelta) -> Result<(), ModelError> {
    let at = delta.index as usize;
    if at > calls.len() {
        let detail = "a call is numbered out of order";
        return Err(ModelError::new(ModelErrorKind::BadStream, detail));
    }
    if at == calls.len() {
        calls.push(ToolCall {
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
        });
    }
    if let Some(call) = calls.get_mut(at) {
        call.id.extend(delta.id);
        call.name.extend(delta.name);
        call.arguments.push_str(&delta.arguments);
    }
    Ok(())
}
