//! Reads YAML 1.2 into nodes: the core schema, aliases, and `<<` of YAML 1.1, which documents use. Bounded in depth and in the number
//! of values, since an alias may stand for many.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::node::{Map, Node};

/// As deep as the reader of JSON goes.
const MAX_DEPTH: usize = 128;

/// An alias may stand for many; this bounds the memory that they take together.
const MAX_VALUES: usize = 4_000_000;

/// The first document of a file. Err is a phrase: `at line 3, …`.
pub(super) fn read(text: &str) -> Result<Node, String> {
    read_bounded(text, MAX_VALUES)
}

fn read_bounded(text: &str, most: usize) -> Result<Node, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        most,
        line: 1,
    };
    let read = reader.document();
    read.map_err(|what| format!("at line {}: {what}", reader.line))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Values that aliases refer to, with the number of values in each.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
    most: usize,
    line: usize,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other events begin a value, or are refused where one is read"
)]
impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, String> {
        loop {
            match self.next()? {
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return Err("it is empty".to_owned()),
                first => return self.value(first, 0),
            }
        }
    }

    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line();
                Err(error.info().to_owned())
            }
            None => Err("it ends too early".to_owned()),
        }
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(more);
        if self.values > self.most {
            return Err(format!("it has more than {} values", self.most));
        }
        Ok(())
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} values inside of each other"));
        }
        let before = self.values;
        self.count(1)?;
        let (node, anchor) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).map(|(_, size)| *size);
                // Counted before it is copied.
                self.count(known.ok_or("an alias inside of itself")?)?;
                let copy = self.anchors.get(&anchor).map(|(node, _)| node.clone());
                return copy.ok_or_else(|| "an alias inside of itself".to_owned());
            }
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err("it ends too early".to_owned()),
        };
        if anchor > 0 {
            let size = self.values - before;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Node, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node::List(items)),
                event => items.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, String> {
        let mut members = Vec::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => break,
                // A key is a text, whatever it looks like: 200, true.
                Event::Scalar(text, _, _, _) => text.into_owned(),
                _ => return Err("a key that is not a text".to_owned()),
            };
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            match (key.as_str(), value) {
                ("<<", Node::Map(map)) => merged.push(map),
                ("<<", Node::List(maps)) => {
                    merged.extend(maps.iter().filter_map(Node::as_map).cloned());
                }
                (_, value) => members.push((key, value)),
            }
        }
        let mut map = Map::of(members).map_err(|name| format!("{name:?} is there twice"))?;
        for (name, value) in merged.into_iter().flatten() {
            if !map.has(&name) {
                map.insert(name, value);
            }
        }
        Ok(Node::Map(map))
    }
}

/// YAML 1.2, section 10.3.2.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
    let is_text = tag.is_some_and(|tag| tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return Node::text(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "true" | "True" | "TRUE" => return Node::Bool(true),
        "false" | "False" | "FALSE" => return Node::Bool(false),
        _ => {}
    }
    let looks_like_a_number = |text: &str| {
        let text = text.trim_start_matches(['+', '-']);
        let mut bytes = text.bytes();
        bytes.any(|byte| byte.is_ascii_digit())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
    };
    let radix = |prefix, radix| i64::from_str_radix(text.strip_prefix(prefix)?, radix).ok();
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Node::Integer(number);
    }
    if looks_like_a_number(text) {
        if let Ok(number) = text.parse() {
            return Node::Integer(number);
        }
        if let Ok(number) = text.parse::<f64>()
            && number.is_finite()
        {
            return Node::Float(number);
        }
    }
    Node::text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_map(text: &str) -> Map {
        read(text).unwrap().as_map().unwrap().clone()
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        let map = read_map(
            "a: yes\nb: 0x1F\nc: 1.50\nd: '7'\ne: 2026-11-29\nf: ~\ng: true\nh: 3.1.0\n200: ok\n",
        );
        let text = |name| map.text(name).unwrap();
        assert_eq!(
            (text("a"), text("d"), text("e")),
            ("yes", "7", "2026-11-29")
        );
        assert_eq!((text("h"), text("200")), ("3.1.0", "ok"));
        assert_eq!(map.get("b"), Some(&Node::Integer(31)));
        assert_eq!(map.get("c"), Some(&Node::Float(1.5)));
        assert_eq!(map.get("f"), Some(&Node::Null));
        assert_eq!(map.get("g"), Some(&Node::Bool(true)));
    }

    #[test]
    fn aliases_and_merges_are_copies() {
        let map = read_map("base: &base {x: 1, y: 2}\none: *base\ntwo:\n  <<: *base\n  y: 3\n");
        assert_eq!(map.get("one"), map.get("base"));
        let two = map.map("two").unwrap();
        assert_eq!(
            (two.get("x"), two.get("y")),
            (Some(&Node::Integer(1)), Some(&Node::Integer(3)))
        );
    }

    #[test]
    fn aliases_that_stand_for_too_much_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            let line = format!("a{level}: &a{level} [{below}]\n");
            text.push_str(&line);
        }
        let reason = read_bounded(&text, 10_000).unwrap_err();
        assert!(reason.contains("more than 10000 values"), "{reason}");
    }

    #[test]
    fn a_file_too_deep_or_with_a_key_twice_is_refused_with_its_line() {
        assert!(
            read(&"- ".repeat(400))
                .unwrap_err()
                .contains("inside of each other")
        );
        assert_eq!(
            read("a: 1\nb: 2\na: 3\n").unwrap_err(),
            "at line 4: \"a\" is there twice"
        );
    }
}
