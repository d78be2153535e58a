//! A whole wire format: its answers are JSON objects, one on a line. Its model is in the address and its key in a header of its own.

use baton_handoff::ports::{
    FinishReason, Message, ModelError, ModelErrorKind, ModelRequest, Usage,
};
use baton_models::SettingsError;
use baton_models::wire::{
    Answer, Credentials, Decoder, Fault, Frame, Framing, HttpRequest, Opened, Target, Wire,
    WireFormat, address,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

/// The line that a format adds to `WIRE_FORMATS`.
pub(crate) const WIRE: Wire = Wire {
    name: "toy",
    provider: "toy",
    serves: |_| false,
    open,
};

fn open(target: &Target<'_>) -> Result<Opened, SettingsError> {
    let action = format!("{}:talk", target.model);
    let url = address("the toy's address", target.base_url, &["models", &action])?;
    let key = HeaderName::from_static("x-toy-key");
    let credentials = match target.key {
        Some(secret) => Credentials::header("the toy's key", key, "", secret)?,
        None => Credentials::None,
    };
    let service = url.clone();
    let format = Box::new(Toy { url });
    Ok(Opened {
        service,
        format,
        credentials,
    })
}

struct Toy {
    url: Url,
}

impl WireFormat for Toy {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let said = request.messages.iter().map(|message| match message {
            Message::System(text) | Message::User(text) | Message::Assistant { text, .. } => text,
            Message::Tool { result, .. } => result,
        });
        let tools = request.tools.iter().map(|tool| &tool.name);
        let body = json!({"said": said.collect::<Vec<_>>(), "tools": tools.collect::<Vec<_>>()});
        let version = (
            HeaderName::from_static("toy-version"),
            HeaderValue::from_static("7"),
        );
        Ok(HttpRequest {
            url: self.url.clone(),
            headers: HeaderMap::from_iter([version]),
            body: body.to_string().into(),
        })
    }

    fn framing(&self) -> Framing {
        Framing::Own(|bytes| Some(bytes.iter().position(|byte| *byte == b'\n')? + 1))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Lines)
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        Fault::from_json(body)
    }
}

struct Lines;

impl Decoder for Lines {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let Frame::Bytes(line) = frame else {
            return Ok(());
        };
        let bad = || ModelError::new(ModelErrorKind::BadStream, "a line is not of the toy");
        let line: Value = serde_json::from_slice(line).map_err(|_| bad())?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(bad);
        match line[0].as_str() {
            Some("text") => answer.text(text(&line[1])?),
            Some("call") => answer.open_call(text(&line[1])?, text(&line[2])?, text(&line[3])?),
            Some("tokens") => {
                let mut usage = answer.usage_so_far();
                usage += Usage {
                    prompt_tokens: line[1].as_u64().ok_or_else(bad)?,
                    completion_tokens: line[2].as_u64().ok_or_else(bad)?,
                    ..Usage::default()
                };
                answer.usage(usage);
                Ok(())
            }
            Some("done") => answer
                .finish(FinishReason::Stop)
                .and_then(|()| answer.complete()),
            _ => Err(bad()),
        }
    }
}
