use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::super::super::arguments::canonical;
use super::super::Validator;
use super::super::format::Format;
use super::random::{Dice, schema, value};

/// The validator that is believed.
struct Oracle {
    schemas: Schemas,
    root: SchemaIndex,
}

impl Oracle {
    fn new(schema: &Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler
            .add_resource("schema.json", schema.clone())
            .unwrap();
        let root = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, root }
    }

    fn fits(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.root).is_ok()
    }
}

#[test]
fn verdicts_are_those_of_a_validator_of_all_drafts() {
    let (mut fitting, mut unfitting, mut endless) = (0, 0, 0);
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let [a, b, root] = [1, 1, 3].map(|depth| schema(&mut dice, depth));
        let schema = json!({"$defs": {"a": a, "b": b}, "allOf": [root]});
        let ours = match Validator::compile(&schema, "") {
            Ok(ours) => ours,
            Err(mistake) => {
                assert_eq!(
                    mistake, "it refers to itself without end",
                    "seed {seed}: {schema}"
                );
                endless += 1;
                continue;
            }
        };
        let oracle = Oracle::new(&schema);
        for _ in 0..20 {
            let value = value(&mut dice, 3);
            let verdict = ours.check(&canonical(value.clone()), "it");
            assert_eq!(
                verdict.is_ok(),
                oracle.fits(&value),
                "seed {seed}: {value} against {schema}: {verdict:?}"
            );
            match verdict {
                Ok(()) => fitting += 1,
                Err(complaint) => {
                    assert!(
                        !complaint.is_empty(),
                        "seed {seed}: {value} against {schema}"
                    );
                    unfitting += 1;
                }
            }
        }
    }
    assert!(
        fitting > 5_000 && unfitting > 5_000 && endless < 500,
        "{fitting} fit, {unfitting} do not; {endless} schemas have no end"
    );
}

/// Texts that have each format; what they become by changing a few characters mostly has not.
const SEEDS: [(Format, &[&str]); 10] = [
    (
        Format::Date,
        &[
            "2026-02-28",
            "2024-02-29",
            "1900-02-28",
            "2000-02-29",
            "2026-12-31",
            "2026-04-30",
        ],
    ),
    (
        Format::Time,
        &[
            "12:30:59Z",
            "23:59:60Z",
            "00:29:60+00:30",
            "08:30:06.283185+23:00",
            "15:59:60-08:00",
        ],
    ),
    (
        Format::DateTime,
        &[
            "1963-06-19T08:30:06.283185Z",
            "1990-12-31T15:59:60-08:00",
            "2026-02-28t12:30:59z",
        ],
    ),
    (
        Format::Duration,
        &[
            "P4DT12H30M5S",
            "P4Y",
            "PT0S",
            "P1M",
            "PT1M",
            "P2W",
            "P1Y2M3DT4H",
            "PT36H",
        ],
    ),
    (
        Format::Email,
        &[
            "joe.bloggs@example.com",
            "te~st@example.com",
            "\"joe bloggs\"@example.com",
            "joe@[127.0.0.1]",
            "a@[IPv6:::1]",
        ],
    ),
    (
        Format::Hostname,
        &[
            "www.example.com",
            "xn--4gbwdl.xn--wgbh1c",
            "host-name",
            "1host",
            "a.b",
        ],
    ),
    (Format::Ipv4, &["192.168.0.1", "0.0.0.0", "255.255.255.255"]),
    (
        Format::Ipv6,
        &[
            "::1",
            "12345::",
            "1:2:3:4:5:6:7:8",
            "::ffff:192.168.0.1",
            "fe80::a",
        ],
    ),
    (
        Format::Uri,
        &[
            "http://foo.bar/?baz=qux#quuz",
            "https://u:p@[::1]:80/a%20b",
            "http://h:8080",
            "ldap://[2001:db8::7]/c=GB?objectClass?one",
            "mailto:John.Doe@example.com",
            "urn:a:b",
        ],
    ),
    (
        Format::Uuid,
        &[
            "2EB8AA08-AA98-11EA-B4AA-73B441D16380",
            "00000000-0000-0000-0000-000000000000",
        ],
    ),
];

#[test]
fn formats_are_those_of_a_validator_of_all_drafts() {
    for (format, seeds) in SEEDS {
        let oracle = Oracle::new(&json!({"format": format.name()}));
        let (mut fitting, mut unfitting) = (0, 0);
        for seed in 0..4_000 {
            let mut dice = Dice(seed);
            let mut text: Vec<char> = dice.one(seeds).chars().collect();
            for _ in 0..dice.below(3) {
                change(&mut dice, &mut text);
            }
            let text: String = text.into_iter().collect();
            // The other one lets addresses begin with the at sign, and other letters into quotes.
            if format == Format::Email && (text.starts_with('@') || !text.is_ascii()) {
                assert!(!format.fits(&text), "{text:?}");
                continue;
            }
            let fits = format.fits(&text);
            assert_eq!(
                fits,
                oracle.fits(&json!(text)),
                "{}: {text:?}",
                format.name()
            );
            *(if fits { &mut fitting } else { &mut unfitting }) += 1;
        }
        assert!(
            fitting > 500 && unfitting > 100,
            "{}: {fitting}, {unfitting}",
            format.name()
        );
    }
}

fn change(dice: &mut Dice, text: &mut Vec<char>) {
    // Without a plus, which the other one takes for the sign of a number.
    const CHARS: [char; 23] = [
        '0', '1', '2', '3', '5', '6', '9', 'a', 'f', 'g', 'P', 'T', 'Z', 'W', '-', '.', ':', '@',
        '/', '%', ' ', 'ä', '"',
    ];
    let at = dice.below(text.len() + 1);
    match dice.below(3) {
        0 => text.insert(at, *dice.one(&CHARS)),
        1 if at < text.len() => drop(text.remove(at)),
        _ if at < text.len() => text[at] = *dice.one(&CHARS),
        _ => {}
    }
}
