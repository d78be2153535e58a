//! The scripted model as a process of its own.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use baton_rehearsal::{Settings, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
rehearsal: a model that follows a script and needs no key, in the wire formats of five services

  --addr ADDRESS       where to listen    (REHEARSAL_ADDR, 127.0.0.1:8601)
  --word-delay-ms N    pause before each word, 0 for none    (REHEARSAL_WORD_DELAY_MS, 35)
  --help";

struct Arguments {
    addr: String,
    settings: Settings,
}

#[tokio::main]
async fn main() -> ExitCode {
    if env::args().any(|argument| argument == "--help") {
        return say(HELP);
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("rehearsal: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let arguments = arguments()?;
    let cannot_listen = |error: io::Error| format!("cannot listen on {}: {error}.", arguments.addr);
    let listener = TcpListener::bind(&arguments.addr)
        .await
        .map_err(cannot_listen)?;
    let addr = listener.local_addr().map_err(cannot_listen)?;
    let mut terminated = signal(SignalKind::terminate())
        .map_err(|error| format!("cannot wait for SIGTERM: {error}."))?;
    say(&format!(
        "A scripted model, no LLM, listens on http://{addr}/v1"
    ));
    let shutdown = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    };
    serve(listener, arguments.settings, shutdown)
        .await
        .map_err(|error| format!("stopped listening: {error}."))
}

/// Flags win over the environment.
fn arguments() -> Result<Arguments, String> {
    let mut addr = variable("REHEARSAL_ADDR")?;
    let mut word_delay = variable("REHEARSAL_WORD_DELAY_MS")?;
    let mut given = env::args().skip(1);
    while let Some(flag) = given.next() {
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (flag, None),
        };
        let setting = match flag.as_str() {
            "--addr" => &mut addr,
            "--word-delay-ms" => &mut word_delay,
            _ => {
                return Err(format!(
                    "the flag '{flag}' is not known; there are --addr, --word-delay-ms and --help."
                ));
            }
        };
        *setting = Some(
            value
                .or_else(|| given.next())
                .ok_or_else(|| format!("{flag} needs a value."))?,
        );
    }
    let settings = match word_delay {
        Some(word_delay) => Settings {
            word_delay: milliseconds(&word_delay)?,
            ..Settings::default()
        },
        None => Settings::default(),
    };
    Ok(Arguments {
        addr: addr.unwrap_or_else(|| "127.0.0.1:8601".to_owned()),
        settings,
    })
}

fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not valid UTF-8.")),
    }
}

/// At most a minute: a longer pause is a slip of the pen, and looks like a server that hangs.
fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(milliseconds) if milliseconds <= 60_000 => Ok(Duration::from_millis(milliseconds)),
        Ok(_) | Err(_) => Err(format!(
            "the word delay '{text}' is not a whole number of milliseconds from 0 to 60000."
        )),
    }
}

fn say(line: &str) -> ExitCode {
    // A closed standard output is no reason to stop serving.
    let _closed = writeln!(io::stdout(), "{line}");
    ExitCode::SUCCESS
}
