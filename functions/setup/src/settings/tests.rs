//! Settings as a whole: what is set by nothing, and mistakes.

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let mut values = Values::default();
    for (name, value) in pairs {
        values.set(name, (*value).to_owned());
    }
    Settings::read(&values).map_err(|error| error.to_string())
}

#[test]
fn nothing_set_is_the_rehearsal_on_loopback() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.serving.addr.to_string(), "127.0.0.1:8501");
    assert!(matches!(
        settings.model,
        ModelChoice::Rehearsal { word_delay_ms: 35 }
    ));
}

#[test]
fn a_wrong_value_is_one_sentence_that_names_it() {
    let cases: [(&[(&str, &str)], &str); 15] = [
        (
            &[("BATON_ADDR", "here")],
            "BATON_ADDR=here is not an address with a port, such as 127.0.0.1:8501",
        ),
        (
            &[("BATON_ORIGINS", "https://a.example, *")],
            "BATON_ORIGINS has *, which is not an origin such as https://chat.example.com",
        ),
        (
            &[("BATON_TOOL_NETWORKS", "10.0.0.0/8, intranet")],
            "BATON_TOOL_NETWORKS has intranet, which is not an address or a network such as 10.1.0.0/16",
        ),
        (
            &[("BATON_AZURE_ENDPOINT", "https://x.openai.azure.com")],
            "BATON_AZURE_ENDPOINT is set and neither BATON_AZURE_KEY nor BATON_AZURE_TENANT is",
        ),
        (
            &[
                ("BATON_AZURE_ENDPOINT", "https://x"),
                ("BATON_MODEL_URL", "http://y/v1"),
            ],
            "both BATON_MODEL_URL and BATON_AZURE_ENDPOINT are set; which model is meant?",
        ),
        (
            &[
                ("BATON_MODEL_URL", "http://y/v1"),
                ("BATON_MODEL_HTTP2", "2"),
            ],
            "BATON_MODEL_HTTP2=2 is not true or false",
        ),
        // Also while no model is chosen.
        (
            &[("BATON_MODEL_API", "telex")],
            "BATON_MODEL_API=telex is not a wire format; those are: responses, anthropic, gemini, bedrock, chat",
        ),
        (
            &[("BATON_MODEL_USAGE", "yes")],
            "BATON_MODEL_USAGE=yes is not true or false",
        ),
        (
            &[
                ("BATON_MODEL_URL", "http://y/v1"),
                ("BATON_REHEARSAL_DELAY_MS", "slow"),
            ],
            "BATON_REHEARSAL_DELAY_MS=slow is not a number of milliseconds",
        ),
        (
            &[("BATON_CONNECTIONS", "0")],
            "BATON_CONNECTIONS=0 is not between 1 and 1000000",
        ),
        (
            &[("BATON_CONNECTIONS", "9000000000000000000")],
            "BATON_CONNECTIONS=9000000000000000000 is not between 1 and 1000000",
        ),
        (
            &[("BATON_LEASE_SECONDS", "601")],
            "BATON_LEASE_SECONDS=601 is not between 1 and 600",
        ),
        (
            &[("BATON_IDLE_SECONDS", "0")],
            "BATON_IDLE_SECONDS=0 is not between 1 and 3600",
        ),
        (
            &[("BATON_DRAIN_SECONDS", "soon")],
            "BATON_DRAIN_SECONDS=soon is not a number of seconds",
        ),
        (
            &[("BATON_STATIC_DIR", "Cargo.toml")],
            "BATON_STATIC_DIR=Cargo.toml is not a folder",
        ),
    ];
    for (pairs, sentence) in cases {
        assert_eq!(read(pairs).unwrap_err(), sentence);
    }
}

#[test]
fn few_descriptors_leave_room_for_all_that_needs_one() {
    let mut settings = read(&[]).unwrap();
    settings.fit_to(2_000);
    assert_eq!(settings.bounds.of(Bound::TurnsAll), 666);
    assert_eq!(settings.serving.connections, 2_000 - 2 * 666 - 64);
    assert_eq!(settings.bounds.of(Bound::StreamsAll), 604);
    let mut settings = read(&[]).unwrap();
    settings.fit_to(1_000_000);
    assert_eq!(settings.bounds, Bounds::default());
    assert_eq!(settings.serving.connections, 16_384);
}

#[test]
fn no_secret_is_printed() {
    let secrets = [
        "BATON_OPERATOR_TOKEN",
        "BATON_MODEL_KEY",
        "BATON_AZURE_KEY",
        "BATON_AZURE_CLIENT_SECRET",
        "TABLES_TOKEN",
    ];
    let mut common: Vec<_> = secrets.map(|name| (name, "s3cret s3cret s3cret")).to_vec();
    common.push(("BATON_AZURE_DEPLOYMENT", "d"));
    common.push(("BATON_AZURE_TENANT", "t"));
    common.push(("BATON_AZURE_CLIENT_ID", "i"));
    for endpoint in [
        ("BATON_MODEL_URL", "https://models.example/v1"),
        ("BATON_AZURE_ENDPOINT", "https://x.openai.azure.com"),
    ] {
        // A key comes before an application's secret, so each has its turn.
        for left_out in ["", "BATON_AZURE_KEY"] {
            let mut pairs = common.clone();
            pairs.retain(|(name, _)| *name != left_out);
            pairs.push(endpoint);
            let settings = read(&pairs).unwrap();
            assert!(settings.access.operator_token.is_some());
            let printed = format!("{settings:?} {settings:#?}");
            assert!(!printed.contains("s3cret"), "{printed}");
        }
    }
}

#[test]
fn table_and_queues_belong_together() {
    let cloud = [
        ("BATON_TABLE", "t"),
        ("BATON_QUEUE_URL", "http://a"),
        ("BATON_TURNS_QUEUE_URL", "http://b"),
    ];
    assert_eq!(
        read(&cloud).unwrap().keeping.cloud.unwrap().turns_url,
        "http://b"
    );
    assert_eq!(
        read(&cloud[..1]).unwrap_err(),
        "BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL are missing; BATON_TABLE and both queues belong together"
    );
    assert_eq!(
        read(&cloud[..2]).unwrap_err(),
        "BATON_TURNS_QUEUE_URL is missing; BATON_TABLE and both queues belong together"
    );
    let mut both = cloud.to_vec();
    both.push(("BATON_DATA", "file"));
    assert_eq!(
        read(&both).unwrap_err(),
        "both BATON_TABLE and BATON_DATA are set; which store is meant?"
    );
}

#[test]
fn a_function_has_no_silent_defaults() {
    let explicit = |pairs: &[(&str, &str)]| {
        let mut values = Values::default();
        for (name, value) in pairs {
            values.set(name, (*value).to_owned());
        }
        Settings::read_explicit(&values)
            .and_then(|settings| settings.check_explicit("Front"))
            .map_err(|error| error.to_string())
    };
    let (model, data) = (("BATON_MODEL_URL", "rehearsal"), ("BATON_DATA", "file"));
    assert!(explicit(&[model]).unwrap_err().starts_with("BATON_TABLE"));
    assert!(
        explicit(&[data])
            .unwrap_err()
            .starts_with("BATON_MODEL_URL is not set, and agent \"Front\" names no model")
    );
    assert_eq!(explicit(&[model, data]), Ok(()));
}
