//! What a model is asked, in the words of a script.

use baton_backends::model::testing::Captured;
use serde_json::Value;

/// Questions that scripts ask of a request.
pub(crate) trait Asked {
    /// What the customer said last.
    fn customer(&self) -> String;
    /// The results behind the last calls, if the model is told results now.
    fn results(&self) -> Vec<String>;
    /// The names of the tools on offer.
    fn tools(&self) -> Vec<String>;
    /// The agent's instructions.
    fn instructions(&self) -> String;
    /// The messages in short, without the instructions: who, and what.
    fn told(&self) -> Vec<String>;
}

impl Asked for Captured {
    fn customer(&self) -> String {
        let messages = self.messages();
        let last = messages.iter().rev().find(|message| message["role"] == "user");
        last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
    }

    fn results(&self) -> Vec<String> {
        let messages = self.messages();
        let results = messages.iter().rev().take_while(|message| message["role"] == "tool");
        let mut results: Vec<_> = results.map(text).collect();
        results.reverse();
        results
    }

    fn tools(&self) -> Vec<String> {
        let request = self.json();
        let tools = request["tools"].as_array().into_iter().flatten();
        tools.filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
    }

    fn instructions(&self) -> String {
        self.messages().first().map(text).unwrap_or_default()
    }

    fn told(&self) -> Vec<String> {
        let short = |message: &Value| {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            let names = calls.map(|call| format!(" [{}]", call["function"]["name"].as_str().unwrap()));
            format!("{}: {}{}", message["role"].as_str().unwrap(), text(message), names.collect::<String>())
        };
        self.messages().iter().skip(1).map(short).collect()
    }
}

fn text(message: &Value) -> String {
    message["content"].as_str().unwrap_or_default().to_owned()
}
