//! The spans of a turn itself: its agents, their model calls, lookups and hand-offs.

use super::ids::{SpanContext, TraceId};
use super::names;
use super::span::{Attribute, Kind, Span, SpanEvent, Value};
use crate::failure::FailureCode;
use crate::ids::ConversationId;
use crate::ports::{Millis, Usage};
use crate::principal::Owner;
use crate::record::journal::JournaledTurn;
use crate::record::{CallResult, FailedCall, Origin, StepRecord, ToolOutcome};

/// A model, as a trace names it.
pub(super) struct ModelNames {
    /// The service's own name for it.
    pub(super) name: String,
    /// Who serves it; empty where that is not known.
    pub(super) provider: &'static str,
}

/// What the spans of a turn are read from.
pub(super) struct Turn<'a> {
    pub(super) conversation: &'a ConversationId,
    pub(super) owner: &'a Owner,
    pub(super) journal: &'a JournaledTurn,
    /// By the name that a step has for it.
    pub(super) model: &'a (dyn Fn(&str) -> ModelNames + Sync),
}

/// Consecutive steps of one agent.
struct Stretch<'a> {
    agent: &'a str,
    first: usize,
    context: SpanContext,
    start: Millis,
}

impl Turn<'_> {
    fn trace(&self) -> TraceId {
        TraceId::of(self.conversation, self.journal.number)
    }

    fn root(&self) -> SpanContext {
        SpanContext::of_turn(self.conversation, self.journal.number)
    }

    /// Until when there is something to tell: of a turn that runs, until its last step.
    fn end(&self) -> Millis {
        let record = &self.journal.record;
        record.ended_at.unwrap_or_else(|| {
            let last = self.journal.steps.last().map(|step| {
                let (_, end) = self.times(step);
                end
            });
            last.unwrap_or(record.accepted_at)
        })
    }

    /// Steps of before these times were kept have none.
    fn times(&self, step: &StepRecord) -> (Millis, Millis) {
        let start = match step.asked.at {
            0 => self.journal.record.accepted_at,
            at => at,
        };
        (start, start + step.asked.end_after)
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let stretches = self.stretches();
        let mut spans = vec![self.whole()];
        for (at, stretch) in stretches.iter().enumerate() {
            let next = stretches.get(at + 1);
            let end = next.map_or_else(|| self.end(), |next| next.start);
            let name = format!("{} {}", names::INVOKE_AGENT, stretch.agent);
            let times = (stretch.start, end);
            let agent = Span::new(stretch.context, Some(self.root()), name, times)
                .with(names::OPERATION, names::INVOKE_AGENT)
                .with(names::AGENT, stretch.agent)
                .with(names::CONVERSATION, self.conversation.as_str());
            spans.push(agent);
            let behind = next.map_or(self.journal.steps.len(), |next| next.first);
            let steps = self.journal.steps.iter().enumerate();
            for (number, step) in steps.take(behind).skip(stretch.first) {
                spans.push(self.response(number, step, stretch.context));
                spans.extend(self.calls(number, step, stretch.context));
            }
        }
        spans
    }

    fn stretches(&self) -> Vec<Stretch<'_>> {
        let mut stretches: Vec<Stretch<'_>> = Vec::new();
        for (number, step) in self.journal.steps.iter().enumerate() {
            if stretches
                .last()
                .is_some_and(|last| last.agent == step.agent)
            {
                continue;
            }
            stretches.push(Stretch {
                agent: &step.agent,
                first: number,
                context: self.trace().span("agent", &[&number.to_be_bytes()]),
                start: self.times(step).0,
            });
        }
        stretches
    }

    fn whole(&self) -> Span {
        let record = &self.journal.record;
        let times = (record.accepted_at, self.end());
        let mut span = Span::new(self.root(), None, names::TURN, times)
            .with(names::CONVERSATION, self.conversation.as_str())
            .with(names::TENANT, self.owner.tenant())
            .with(names::NUMBER, self.journal.number)
            .with(names::ORIGIN, record.origin.as_str())
            .with(names::STATE, record.state.as_str())
            .with_some(names::COST, record.cost);
        span = with_usage(span, record.usage);
        span.error = record
            .failure
            .map(|failure| FailureCode::as_str(failure).to_owned());
        span.links.extend(record.caller);
        if let Origin::Regenerated { of } = record.origin {
            span.links.push(SpanContext::of_turn(self.conversation, of));
        }
        let late = self
            .journal
            .steps
            .iter()
            .flat_map(|step| &step.late_results);
        let late = late.map(|late| SpanContext::of_action(&late.action));
        span.links.extend(late);
        let failed = record.failed.iter();
        let failed = failed.map(|call| self.failed(call, self.end()));
        span.events = self.recoveries().chain(failed).collect();
        span
    }

    /// Each process that goes on has a higher fence. So has a response behind a call that broke off: its text was taken back.
    fn recoveries(&self) -> impl Iterator<Item = SpanEvent> {
        let steps = self.journal.steps.iter();
        let pairs = steps.clone().zip(steps.skip(1));
        let others = pairs
            .filter(|(before, step)| before.fence < step.fence && step.asked.failed.is_empty());
        others.map(|(_, step)| SpanEvent {
            name: names::RECOVERED,
            at: self.times(step).0,
            attributes: Vec::new(),
        })
    }

    fn response(&self, number: usize, step: &StepRecord, agent: SpanContext) -> Span {
        let asked = &step.asked;
        let model = (self.model)(&asked.model);
        let context = self.trace().span("step", &[&number.to_be_bytes()]);
        let name = format!("{} {}", names::CHAT, model.name);
        let reason = if step.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        let mut span = Span::new(context, Some(agent), name, self.times(step))
            .with(names::OPERATION, names::CHAT)
            .with(names::CONVERSATION, self.conversation.as_str())
            .with(names::REQUEST_MODEL, model.name)
            .with(names::STREAM, true)
            .with(names::STEP, number_of(number))
            .with(names::FINISH_REASONS, Value::Texts(vec![reason.to_owned()]));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of one response")]
        let first = asked.first_after as f64 / 1_000.0;
        if asked.at > 0 {
            span = span.with(names::TIME_TO_FIRST_CHUNK, Value::Fraction(first));
        }
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        span = span
            .with_some(names::PROVIDER, known(model.provider))
            .with_some(names::RESPONSE_ID, known(&asked.response))
            .with_some(names::MODEL, known(&asked.model))
            .with_some(names::COST, step.cost)
            .with_some(names::TRIES, (asked.tries > 1).then_some(asked.tries))
            .with_some(names::SHORTENED, asked.shortened.then_some(true));
        span = with_usage(span, step.usage);
        span.kind = Kind::Client;
        let failed = asked.failed.iter();
        span.events = failed.map(|call| self.failed(call, span.start)).collect();
        span
    }

    fn failed(&self, call: &FailedCall, at: Millis) -> SpanEvent {
        let attribute = |name, value| Attribute { name, value };
        let mut attributes = vec![
            attribute(names::REQUEST_MODEL, (self.model)(&call.model).name.into()),
            attribute(names::ERROR, FailureCode::as_str(call.why).into()),
        ];
        attributes.extend(call.cost.map(|cost| attribute(names::COST, cost.into())));
        if call.usage != Usage::default() {
            let Usage {
                prompt_tokens,
                completion_tokens,
                ..
            } = call.usage;
            attributes.push(attribute(names::INPUT_TOKENS, prompt_tokens.into()));
            attributes.push(attribute(names::OUTPUT_TOKENS, completion_tokens.into()));
        }
        SpanEvent {
            name: names::CALL_FAILED,
            at,
            attributes,
        }
    }

    /// The calls of a response that were no actions, as far as they have a result: those of the next response's request, or of the end.
    fn calls(&self, number: usize, step: &StepRecord, agent: SpanContext) -> Vec<Span> {
        let next = self.journal.steps.get(number + 1);
        let results = next.map_or(&self.journal.record.results, |next| &next.results);
        let is_action = |call: &str| step.actions.iter().any(|action| action.call == call);
        let mut spans = Vec::new();
        for call in &step.calls {
            let result = results.iter().find(|result| result.call == call.id);
            let Some(result) = result.filter(|_| !is_action(&call.id)) else {
                continue;
            };
            let start = match result.at {
                0 => self.times(step).1,
                at => at,
            };
            let context = SpanContext::of_lookup(self.trace(), number, &call.id);
            let times = (start, start + result.milliseconds);
            spans.push(call_span(context, agent, step, &call.name, result, times));
        }
        spans
    }
}

fn call_span(
    context: SpanContext,
    agent: SpanContext,
    step: &StepRecord,
    tool: &str,
    result: &CallResult,
    times: (Millis, Millis),
) -> Span {
    if let Some(to) = &result.handed_to {
        return Span::new(context, Some(agent), names::HAND_OFF, times)
            .with(names::HAND_OFF_FROM, step.agent.as_str())
            .with(names::HAND_OFF_TO, to.as_str());
    }
    let name = format!("{} {tool}", names::EXECUTE_TOOL);
    let mut span = Span::new(context, Some(agent), name, times)
        .with(names::OPERATION, names::EXECUTE_TOOL)
        .with(names::TOOL, tool)
        .with(names::TOOL_TYPE, names::EXTENSION)
        .with(names::TOOL_CALL, result.call.as_str());
    span.error = (result.outcome == ToolOutcome::Error).then(|| "tool_error".to_owned());
    span
}

fn number_of(step: usize) -> u64 {
    u64::try_from(step).unwrap_or(u64::MAX)
}

fn with_usage(span: Span, usage: Usage) -> Span {
    let some = |tokens: u64| (tokens > 0).then_some(tokens);
    span.with_some(names::INPUT_TOKENS, some(usage.prompt_tokens))
        .with_some(names::OUTPUT_TOKENS, some(usage.completion_tokens))
        .with_some(names::CACHE_READ_TOKENS, some(usage.cached_tokens))
        .with_some(names::CACHE_WRITE_TOKENS, some(usage.cache_write_tokens))
}
