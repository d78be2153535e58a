//! HTTP/1.1 over a plain socket: reads requests and writes answers, each step in a write of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, End, Head, Step};
use super::captured::Captured;
use super::spoken::Spoken;
use super::{State, lock};
use crate::error::ApiError;
use crate::formats::Format;
use crate::parts::Part;

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
        let violation = request.violation().or_else(|| self.misspoken(request));
        let violation = violation.filter(|_| is_checked);
        let answer = if let Some(violation) = violation {
            lock(&self.state.violations).push(violation);
            super::status(400)
        } else {
            (self.state.script)(request)
        };
        self.state.arrived.send_modify(|count| *count += 1);
        answer
    }

    /// Why a request that asks a model is not in the format that the test wants.
    fn misspoken(&self, request: &Captured) -> Option<String> {
        let wanted = (*lock(&self.state.speaks))?;
        let is_other = Format::of(&request.target).is_some_and(|format| format != wanted);
        is_other.then(|| format!("'{}' is not {wanted:?}", request.target))
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
                is_json,
            } => {
                let media_type = if is_json {
                    "application/json"
                } else {
                    request.format().wire().media_type
                };
                let mut head =
                    format!("HTTP/1.1 {status} Scripted\r\ncontent-type: {media_type}\r\n");
                let refusal = answer.steps.iter().find_map(|step| step.refusal(request));
                let named = refusal.and_then(|refusal| refusal.header);
                let named = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
                for (name, value) in headers.into_iter().chain(named) {
                    head.push_str(&[name.as_str(), ": ", value.as_str(), "\r\n"].concat());
                }
                head.push_str("transfer-encoding: chunked\r\n\r\n");
                self.socket.write_all(head.as_bytes()).await?;
            }
        }
        let mut spoken = Spoken::new(request, &answer.end);
        let whole = match answer.end {
            End::CutInside => answer.steps.len().saturating_sub(1),
            End::Whole { .. } | End::Bare | End::Cut | End::Hang => answer.steps.len(),
        };
        for (at, step) in answer.steps.into_iter().enumerate() {
            let Some(mut bytes) = self.step(request, step, &mut spoken).await? else {
                continue;
            };
            if at == whole {
                bytes.truncate(bytes.len() / 2);
            }
            self.write(&bytes, answer.piece).await?;
        }
        match answer.end {
            End::Cut | End::CutInside => return Ok(false),
            End::Hang => return self.wait_for_hang_up().await,
            End::Bare => {}
            End::Whole { reason, done, .. } => {
                let last = spoken.ends(reason.as_deref(), done);
                self.write(&last, answer.piece).await?;
            }
        }
        self.socket.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }

    /// The bytes of a step, once it is its turn; a gate has none.
    async fn step(
        &mut self,
        request: &Captured,
        step: Step,
        spoken: &mut Spoken,
    ) -> io::Result<Option<Vec<u8>>> {
        Ok(Some(match step {
            // Not `readable()`: it is also ready when there is nothing to read.
            Step::Gate(gate) => {
                tokio::select! {
                    () = gate.pass() => return Ok(None),
                    gone = self.wait_for_hang_up() => gone?,
                };
                return Ok(None);
            }
            Step::Raw(bytes) => bytes,
            Step::Refusal(_) => {
                let refusal = step.refusal(request);
                refusal.map_or_else(Vec::new, |refusal| refusal.document.to_string().into())
            }
            Step::Failure(status) => spoken.says(&Part::Fails(ApiError::Scripted(status))),
            Step::Text(text) => spoken.says(&Part::Word(text)),
            Step::Thought(thought) => spoken.thinks(thought),
            Step::Call { name, arguments } => {
                let number = self.state.calls.fetch_add(1, Ordering::SeqCst) + 1;
                spoken.calls(number, name, arguments)
            }
        }))
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
