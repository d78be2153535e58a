//! Server-sent events, piece by piece, within bounds. Knows their lines (HTML, section 9.2); never what they mean.

/// An event, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) data: Vec<u8>,
    /// The position behind it, where a stream can be taken up again.
    pub(super) id: Option<String>,
}

/// More bytes than allowed in one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The events of one stream.
pub(super) struct Events {
    longest: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    id: Option<String>,
    after_return: bool,
    /// The pause, in milliseconds, after which the server wants a cut stream to be taken up again.
    pub(super) retry: Option<u64>,
}

impl Events {
    /// `longest`: the most bytes of an event.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            longest,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            id: None,
            after_return: false,
            retry: None,
        }
    }

    /// The events that this piece completes.
    pub(super) fn read(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in piece {
            let ends = match byte {
                b'\n' => !self.after_return,
                b'\r' => true,
                _ => false,
            };
            self.after_return = *byte == b'\r';
            if ends {
                events.extend(self.end_line());
            } else if *byte != b'\n' {
                if self.line.len() + self.data.len() >= self.longest {
                    return Err(TooLong);
                }
                self.line.push(*byte);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let had_data = std::mem::take(&mut self.has_data);
            let id = self.id.take();
            return (had_data || id.is_some()).then_some(Event { data, id });
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"id" => self.id = String::from_utf8(value.to_vec()).ok(),
            b"retry" => {
                let text = std::str::from_utf8(value).ok();
                self.retry = text.and_then(|text| text.parse().ok()).or(self.retry);
            }
            // A comment, or the name of an event.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\r\nevent: message\r\nid: 1\r\nretry: 30\r\ndata:\r\n\r\ndata: {\"a\":\ndata: 1}\n\n\n\rdata:x\r\rdata: cut";

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        for size in [1, 2, 3, 7, STREAM.len()] {
            let mut events = Events::new(100);
            let mut all = Vec::new();
            for piece in STREAM.chunks(size) {
                all.extend(events.read(piece).unwrap());
            }
            let texts: Vec<_> = all
                .iter()
                .map(|event| String::from_utf8(event.data.clone()).unwrap())
                .collect();
            assert_eq!(texts, ["", "{\"a\":\n1}", "x"], "{size}");
            assert_eq!(all[0].id.as_deref(), Some("1"));
            assert_eq!(events.retry, Some(30));
        }
    }

    #[test]
    fn an_event_is_bounded_and_a_stream_of_small_ones_is_not() {
        let mut events = Events::new(10);
        for _ in 0..100 {
            assert_eq!(events.read(b"data: 1\n\n").unwrap().len(), 1);
        }
        assert_eq!(events.read(b"data: 123456789"), Err(TooLong));
        let mut events = Events::new(10);
        assert_eq!(events.read(b"data: 1\ndata: 2\ndata: 345678"), Err(TooLong));
        assert!(Events::new(10).read(b"data: 1\ndata: 2\n\n").is_ok());
    }
}
