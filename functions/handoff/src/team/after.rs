//! What must have happened in a conversation before a tool may be called: another tool has succeeded, for the same customer and
//! with equal values. Each success leaves a mark, a hash of those values; a call needs the mark of its own.
//! Knows the team file and JSON only; never where marks are kept.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Team;
use super::canonical::canonical;
use super::file::{AfterFile, SameFile, ToolFile};
use super::mistake::{Located, Mistake};
use super::parameters::Parameters;
use super::tool::Tool;
use crate::ids::hex;

/// Bytes of the hash in a mark: nobody finds other values with the same one.
const MARK_BYTES: usize = 12;

/// The tool that must have succeeded before, and what must be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The earlier tool.
    pub tool: String,
    /// What must be equal.
    pub same: Vec<Same>,
}

/// An argument that must be equal to a value of the earlier call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Same {
    /// The argument of the later call.
    pub argument: String,
    /// The value of the earlier one.
    pub earlier: Earlier,
}

/// A value of the earlier call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// The argument of the same name.
    Argument,
    /// A field of its result, by JSON Pointer (RFC 6901).
    Result(String),
}

/// The trace of a success that tools with `after` ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

#[cfg(test)]
impl Mark {
    pub(crate) fn largest() -> Self {
        Self("f".repeat(2 * MARK_BYTES))
    }
}

impl After {
    /// Checks what the tool itself tells; [`check_all`] does the rest.
    pub(super) fn declare(
        tool: &str,
        parameters: &Parameters,
        file: AfterFile,
    ) -> Result<Self, Located> {
        let mut same = Vec::with_capacity(file.same.len());
        for one in file.same {
            let at = one.span();
            let (argument, earlier) = match one.into_inner() {
                SameFile::Argument(argument) => (argument, Earlier::Argument),
                SameFile::Result { argument, result } => (argument, Earlier::Result(result)),
            };
            let tool = tool.to_owned();
            if parameters.property(&argument).is_none() || !parameters.is_always_there(&argument) {
                let of = tool.clone();
                return Err(Mistake::AfterArgument { tool, argument, of }.at(at));
            }
            if let Earlier::Result(pointer) = &earlier
                && !is_pointer(pointer)
            {
                let pointer = pointer.clone();
                return Err(Mistake::AfterPointer { tool, pointer }.at(at));
            }
            same.push(Same { argument, earlier });
        }
        Ok(Self {
            tool: file.tool.into_inner(),
            same,
        })
    }

    /// The mark that a success of the earlier tool leaves; none if a value is not there.
    pub(crate) fn left_by(&self, speaker: &str, arguments: &Value, result: &str) -> Option<Mark> {
        // The text may go on after the JSON with a note for the model.
        let mut results = serde_json::Deserializer::from_str(result).into_iter::<Value>();
        let result = results.next().and_then(Result::ok);
        let value = |same: &Same| match &same.earlier {
            Earlier::Argument => arguments.get(&same.argument),
            Earlier::Result(pointer) => result.as_ref()?.pointer(pointer),
        };
        self.mark(speaker, value)
    }

    /// The mark that a call of the later tool needs; none if a value is not there.
    pub(crate) fn needed_by(&self, speaker: &str, arguments: &Value) -> Option<Mark> {
        self.mark(speaker, |same| arguments.get(&same.argument))
    }

    fn mark<'a>(&self, speaker: &str, value: impl Fn(&Same) -> Option<&'a Value>) -> Option<Mark> {
        let mut values = Vec::with_capacity(self.same.len());
        for same in &self.same {
            let source = match &same.earlier {
                Earlier::Argument => None,
                Earlier::Result(pointer) => Some(pointer),
            };
            values.push(json!([same.argument, source, value(same)?]));
        }
        let whole = canonical(json!([speaker, self.tool, values])).to_string();
        let digest = Sha256::digest(whole.as_bytes());
        Some(Mark(hex(digest.get(..MARK_BYTES)?)))
    }
}

impl Team {
    /// Whether a tool is to be called after this one only.
    pub(crate) fn is_asked_for(&self, tool: &str) -> bool {
        let mut rules = self.tools().filter_map(|later| later.after.as_ref());
        rules.any(|rule| rule.tool == tool)
    }

    /// The marks that a success of this tool leaves.
    pub(crate) fn marks(
        &self,
        tool: &str,
        speaker: &str,
        arguments: &Value,
        result: &str,
    ) -> Vec<Mark> {
        let mut marks = Vec::new();
        let rules = self.tools().filter_map(|later| later.after.as_ref());
        for rule in rules.filter(|rule| rule.tool == tool) {
            let mark = rule.left_by(speaker, arguments, result);
            marks.extend(mark.filter(|mark| !marks.contains(mark)));
        }
        marks
    }
}

/// RFC 6901, section 3: the whole document, or steps that begin with `/`; `~` begins one of two escapes.
fn is_pointer(text: &str) -> bool {
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escape)
}

/// The places of all `after` in the file, by the names of their tools.
pub(super) fn places(files: &[ToolFile]) -> BTreeMap<String, Range<usize>> {
    let place = |file: &ToolFile| {
        let after = file.after.as_ref()?;
        Some((file.name.get_ref().clone(), after.span()))
    };
    files.iter().filter_map(place).collect()
}

/// Checks that every earlier tool exists, has the arguments, and can be called first.
pub(super) fn check_all(
    tools: &BTreeMap<String, Arc<Tool>>,
    places: &BTreeMap<String, Range<usize>>,
) -> Result<(), Located> {
    for (name, at) in places {
        let Some(after) = tools.get(name).and_then(|tool| tool.after.as_ref()) else {
            continue;
        };
        let tool = name.clone();
        let Some(earlier) = tools.get(&after.tool) else {
            let earlier = after.tool.clone();
            return Err(Mistake::AfterUnknown { tool, earlier }.at(at.clone()));
        };
        let is_missing =
            |same: &&Same| same.earlier == Earlier::Argument && !earlier.always_has(&same.argument);
        if let Some(Same { argument, .. }) = after.same.iter().find(is_missing) {
            let (argument, of) = (argument.clone(), after.tool.clone());
            return Err(Mistake::AfterArgument { tool, argument, of }.at(at.clone()));
        }
        for same in &after.same {
            if let Earlier::Result(pointer) = &same.earlier
                && !earlier.result.keeps(pointer)
            {
                let sentence = format!(
                    "after of tool {tool:?} names the result {pointer:?}, which result of tool {:?} leaves out",
                    after.tool
                );
                return Err(Located::new(sentence, at.clone()));
            }
        }
        if waits_for_itself(name, tools) {
            return Err(Mistake::AfterItself { tool }.at(at.clone()));
        }
    }
    Ok(())
}

fn waits_for_itself(name: &str, tools: &BTreeMap<String, Arc<Tool>>) -> bool {
    let mut next = name;
    // A chain without a circle is shorter than this.
    for _ in 0..tools.len() {
        match tools.get(next).and_then(|tool| tool.after.as_ref()) {
            None => return false,
            Some(after) if after.tool == name => return true,
            Some(after) => next = &after.tool,
        }
    }
    // It leads into a circle of others, which is reported there.
    false
}
