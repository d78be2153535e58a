//! HTTP/1.1 over a plain socket: reads requests and writes answers, each step in a write of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, End, Head, Step};
use super::captured::Captured;
use super::{State, lock};

pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    // The connections end with the server.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let _set = socket.set_nodelay(true);
        let mut connection = Connection {
            socket,
            unread: Vec::new(),
            number,
            state: Arc::clone(&state),
        };
        connections.spawn(async move { while let Ok(true) = connection.exchange().await {} });
    }
}

struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
    number: usize,
    state: Arc<State>,
}

impl Connection {
    /// Serves one request; returns whether another may follow.
    async fn exchange(&mut self) -> io::Result<bool> {
        let Some(request) = self.read_request().await? else {
            return Ok(false);
        };
        let answer = self.decide(&request);
        let answered = self.answer(&request, answer).await;
        if answered.is_err() {
            self.state.hung_up.send_modify(|count| *count += 1);
        }
        answered
    }

    fn decide(&self, request: &Captured) -> Answer {
        lock(&self.state.requests).push(request.clone());
        let is_checked = !self.state.takes_anything.load(Ordering::SeqCst);
        let violation = request.violation().filter(|_| is_checked);
        let answer = if let Some(violation) = violation {
            lock(&self.state.violations).push(violation);
            super::status(400)
        } else {
            (self.state.script)(request)
        };
        self.state.arrived.send_modify(|count| *count += 1);
        answer
    }

    async fn read_request(&mut self) -> io::Result<Option<Captured>> {
        let head_end = loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break end + 4;
            }
            if self.socket.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.unread.drain(..head_end).collect::<Vec<_>>())
            .into_owned();
        let mut lines = head.lines();
        let target = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap_or_default()
            .to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(0);
        while self.unread.len() < length {
            if self.socket.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
        let body =
            String::from_utf8_lossy(&self.unread.drain(..length).collect::<Vec<_>>()).into_owned();
        Ok(Some(Captured {
            target,
            headers,
            body,
            connection: self.number,
        }))
    }

    async fn answer(&mut self, request: &Captured, answer: Answer) -> io::Result<bool> {
        match answer.head {
            Head::Silence => return self.wait_for_hang_up().await,
            Head::Close => return Ok(false),
            Head::Response {
                status,
                headers,
                media_type,
            } => {
                let mut head =
                    format!("HTTP/1.1 {status} Scripted\r\ncontent-type: {media_type}\r\n");
                for (name, value) in headers {
                    head.push_str(&[name.as_str(), ": ", value.as_str(), "\r\n"].concat());
                }
                head.push_str("transfer-encoding: chunked\r\n\r\n");
                self.socket.write_all(head.as_bytes()).await?;
            }
        }
        let calls = self.steps(answer.steps, answer.piece).await?;
        match answer.end {
            End::Cut => return Ok(false),
            End::Hang => return self.wait_for_hang_up().await,
            End::Bare => {}
            End::Whole {
                reason,
                usage,
                done,
            } => {
                let reason =
                    reason
                        .as_deref()
                        .unwrap_or(if calls > 0 { "tool_calls" } else { "stop" });
                let mut last = data(&choice(&json!({}), Some(reason)));
                if request.json().pointer("/stream_options/include_usage")
                    == Some(&Value::Bool(true))
                {
                    let (prompt, completion) = usage.unwrap_or_default();
                    last += &data(&json!({"choices": [], "usage": {
                        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}}));
                }
                if done {
                    last += "data: [DONE]\n\n";
                }
                self.write(last.as_bytes(), answer.piece).await?;
            }
        }
        self.socket.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }

    /// Plays the steps; returns the number of calls.
    async fn steps(&mut self, steps: Vec<Step>, piece: usize) -> io::Result<usize> {
        let mut calls = 0;
        for step in steps {
            match step {
                Step::Raw(bytes) => self.write(&bytes, piece).await?,
                Step::Text(text) => {
                    let event = data(&choice(&json!({"content": text}), None));
                    self.write(event.as_bytes(), piece).await?;
                }
                Step::Call { name, arguments } => {
                    let id = self.state.calls.fetch_add(1, Ordering::SeqCst) + 1;
                    self.write(call(calls, id, &name, &arguments).as_bytes(), piece)
                        .await?;
                    calls += 1;
                }
                // Not `readable()`: it is also ready when there is nothing to read.
                Step::Gate(gate) => tokio::select! {
                    () = gate.pass() => {}
                    gone = self.wait_for_hang_up() => {
                        gone?;
                    }
                },
            }
        }
        Ok(calls)
    }

    async fn write(&mut self, bytes: &[u8], piece: usize) -> io::Result<()> {
        for piece in bytes.chunks(piece) {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            self.socket.write_all(&chunk).await?;
        }
        Ok(())
    }

    /// Never `Ok`: a client leaves this answer or stays for ever.
    async fn wait_for_hang_up(&mut self) -> io::Result<bool> {
        loop {
            if self.socket.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

/// A call in two parts, as OpenAI sends it: id and name first, the arguments behind them.
fn call(index: usize, id: usize, name: &str, arguments: &str) -> String {
    let opening = json!({"tool_calls": [{"index": index, "id": format!("call_{id}"), "type": "function",
        "function": {"name": name, "arguments": ""}}]});
    let rest = json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    data(&choice(&opening, None)) + &data(&choice(&rest, None))
}

fn choice(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]})
}

fn data(document: &Value) -> String {
    format!("data: {document}\n\n")
}
