//! What a service is asked, and what a model cannot make of it.

use serde_json::json;

use crate::service::{Service, json as json_answer};
use crate::support::{KEY, Setup};

#[tokio::test]
async fn a_lookup_fills_its_url_and_its_json_comes_back_as_it_was() {
    let answer = r#"{"free": ["T1", "T2"], "price": 10.10}"#;
    let service = Service::saying(json_answer(answer)).await;
    let tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://tables.example:{}/days/{{table}}/free?guests={{table}}&x=1\"",
        service.address.port()
    ));
    let looked_up = tool.build().look_up(json!({ "table": "T 1/ä" })).await;
    assert_eq!(looked_up.unwrap(), answer);
    let came = service.came();
    assert_eq!(
        came[0].line,
        "GET /days/T%201%2F%C3%A4/free?guests=T%201%2F%C3%A4&x=1 HTTP/1.1"
    );
    let host = format!("tables.example:{}", service.address.port());
    assert_eq!(came[0].header("host"), [host]);
    assert_eq!(came[0].header("idempotency-key"), [""; 0]);
    assert_eq!(came[0].body, "");
}

#[tokio::test]
async fn an_action_sends_its_arguments_and_the_key_of_the_action() {
    let service = Service::saying(json_answer("{\"booking\": 7}")).await;
    let tool = Setup::action(format!(
        "method = \"POST\"\nurl = \"http://{}/tables/{{table}}\"",
        service.address
    ));
    let outcome = tool
        .build()
        .act(json!({ "table": "T9", "guests": 2 }))
        .await;
    assert_eq!(
        outcome,
        baton_handoff::ports::Outcome::Done("{\"booking\": 7}".to_owned())
    );
    let came = service.came();
    assert_eq!(came[0].line, "POST /tables/T9 HTTP/1.1");
    assert_eq!(came[0].header("idempotency-key"), [KEY]);
    assert_eq!(came[0].header("content-type"), ["application/json"]);
    assert_eq!(came[0].json(), json!({ "table": "T9", "guests": 2 }));
}

#[tokio::test]
async fn a_body_of_the_others_has_no_argument_that_the_url_names() {
    let service = Service::saying(json_answer("{}")).await;
    let tool = Setup::action(format!(
        "method = \"PUT\"\nurl = \"http://{}/tables/{{table}}\"\nbody = \"others\"",
        service.address
    ));
    let arguments = json!({ "table": "T9", "guests": 2 });
    tool.build().act(arguments).await;
    let came = service.came();
    assert_eq!(came[0].line, "PUT /tables/T9 HTTP/1.1");
    assert_eq!(came[0].header("content-type"), ["application/json"]);
    assert_eq!(came[0].json(), json!({ "guests": 2 }));
}

#[tokio::test]
async fn a_form_has_the_arguments_that_the_url_does_not_name_and_what_code_fills() {
    let service = Service::saying(json_answer("{}")).await;
    let tool = Setup::action(format!(
        "method = \"POST\"\nurl = \"http://{}/tables/{{table}}\"\nbody = \"form\"\nbody_fields = {{ where = \"{{conversation.id}}\" }}",
        service.address
    ));
    let arguments =
        json!({ "table": "T9", "guests": 2, "note": null, "more": { "wine": ["red"] } });
    tool.build().act(arguments).await;
    let came = service.came();
    let form = "application/x-www-form-urlencoded";
    assert_eq!(came[0].header("content-type"), [form]);
    let mut pairs: Vec<_> = came[0].body.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["guests=2", "more%5Bwine%5D%5B0%5D=red", "where=c"]);
}

#[tokio::test]
async fn arguments_sent_as_the_query_are_those_that_the_url_does_not_name() {
    let service = Service::saying(json_answer("[]")).await;
    let tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://{}/{{table}}?v=2\"\nquery = \"arguments\"",
        service.address
    ))
    .build();
    let arguments = json!({ "table": "T1", "guests": 2, "note": null, "more": "a&b=c#d" });
    tool.look_up(arguments).await.unwrap();
    assert_eq!(
        service.came()[0].line,
        "GET /T1?v=2&guests=2&more=a%26b%3Dc%23d HTTP/1.1"
    );
    let nested = tool.look_up(json!({ "more": [1, 2] })).await;
    assert_eq!(
        nested.unwrap_err(),
        "book was not called: more must be a text, a number or a truth value."
    );
    assert_eq!(service.came().len(), 1);
}

#[tokio::test]
async fn a_list_in_the_query_is_repeated_or_has_commas() {
    let service = Service::saying(json_answer("[]")).await;
    for (lists, query) in [
        ("repeat", "more=a%2Cb&more=1&more=true"),
        ("comma", "more=a%2Cb,1,true"),
    ] {
        let tool = Setup::lookup(format!(
            "method = \"GET\"\nurl = \"http://{}/{{table}}\"\nquery = \"arguments\"\nquery_lists = \"{lists}\"",
            service.address
        ))
        .build();
        let look_up = async |more| tool.look_up(json!({ "guests": 2, "more": more })).await;
        look_up(json!(["a,b", 1, true])).await.unwrap();
        let line = service.came().pop().unwrap().line;
        assert_eq!(line, format!("GET /T1?guests=2&{query} HTTP/1.1"));
        look_up(json!([])).await.unwrap();
        let line = service.came().pop().unwrap().line;
        assert_eq!(line, "GET /T1?guests=2 HTTP/1.1");
        let asked = service.came().len();
        assert_eq!(
            look_up(json!([["a"]])).await.unwrap_err(),
            "book was not called: more must be a text, a number or a truth value."
        );
        assert_eq!(service.came().len(), asked);
    }
}

#[tokio::test]
async fn an_argument_stays_in_its_segment_and_never_chooses_the_host() {
    let service = Service::saying(json_answer("[]")).await;
    let tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://tables.example:{}/a/{{table}}/z\"",
        service.address.port()
    ))
    .build();
    let cases = [
        ("@evil.example", "%40evil.example"),
        (":80@evil.example/", "%3A80%40evil.example%2F"),
        ("//evil.example/x", "%2F%2Fevil.example%2Fx"),
        ("\\\\evil.example", "%5C%5Cevil.example"),
        ("x#fragment", "x%23fragment"),
        ("x?admin=1&y=2", "x%3Fadmin%3D1%26y%3D2"),
        (
            "x\r\nX-Admin: 1\r\n\r\n",
            "x%0D%0AX-Admin%3A%201%0D%0A%0D%0A",
        ),
        ("x HTTP/1.1", "x%20HTTP%2F1.1"),
        ("%2e%2e", "%252e%252e"),
        ("%2F..%2Fadmin", "%252F..%252Fadmin"),
        ("...", "..."),
        ("\0", "%00"),
    ];
    for (argument, segment) in cases {
        tool.look_up(json!({ "table": argument })).await.unwrap();
        let came = service.came().pop().unwrap();
        assert_eq!(came.line, format!("GET /a/{segment}/z HTTP/1.1"));
        let host = format!("tables.example:{}", service.address.port());
        assert_eq!(came.header("host"), [host]);
        assert_eq!(came.header("x-admin"), [""; 0]);
    }
    assert_eq!(service.came().len(), cases.len());
}

#[tokio::test]
async fn an_argument_that_would_lead_to_another_path_is_not_sent() {
    let service = Service::saying(json_answer("[]")).await;
    let tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://{}/a/{{table}}\"",
        service.address
    ))
    .build();
    for argument in [
        "..",
        ".",
        "../admin",
        "x/../../admin",
        "..\\admin",
        "x/..",
        "",
    ] {
        let told = tool
            .look_up(json!({ "table": argument }))
            .await
            .unwrap_err();
        assert!(
            told.starts_with("book was not called: table must not be "),
            "{told}"
        );
    }
    let dotted = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://{}/a/.{{table}}/b\"",
        service.address
    ));
    let told = dotted.build().look_up(json!({ "table": "." })).await;
    assert!(told.is_err(), "the text and the argument are `..` together");
    let long = tool.look_up(json!({ "table": "x".repeat(9_000) })).await;
    let sentence = long.unwrap_err();
    assert!(
        sentence.starts_with("book was not called: its address would be 90"),
        "{sentence}"
    );
    assert!(
        sentence.ends_with(" bytes, the bound is 8192 bytes."),
        "{sentence}"
    );
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_header_is_taken_from_the_environment_and_never_shown() {
    let echo = r#"{"you_sent": "Bearer s3cret/token", "and": "s3cret\/token"}"#;
    let service = Service::saying(json_answer(echo)).await;
    let mut tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://{}/\"\n\
         headers = {{ Authorization = {{ env = \"TOKEN\", prefix = \"Bearer \" }}, Accept = \"text/plain\" }}",
        service.address
    ));
    assert_eq!(
        tool.mistake(),
        "header \"Authorization\" of tool \"book\" needs the environment variable TOKEN, which is not set"
    );
    tool.variables = vec![("TOKEN", "s3cret\ntoken")];
    assert_eq!(
        tool.mistake(),
        "header \"Authorization\" of tool \"book\" needs the environment variable TOKEN, which holds what a header cannot"
    );
    tool.variables = vec![("TOKEN", "s3cret/token")];
    let told = tool.build().look_up(json!({})).await.unwrap();
    assert_eq!(told, r#"{"you_sent": "Bearer …", "and": "…"}"#);
    let came = service.came();
    assert_eq!(came[0].header("authorization"), ["Bearer s3cret/token"]);
    assert_eq!(came[0].header("accept"), ["text/plain"]);
}

#[tokio::test]
async fn a_secret_is_long_enough_to_be_hidden_and_goes_to_other_machines_by_tls_only() {
    let mut tool = Setup::lookup(String::new());
    let mistake = |tool: &mut Setup, url: &str, value| {
        tool.http = format!(
            "method = \"GET\"\nurl = \"{url}\"\nheaders = {{ X-Key = {{ env = \"KEY\" }} }}"
        );
        tool.variables = vec![("KEY", value)];
        tool.try_build().err().map(|error| error.to_string())
    };
    let long = "s3cret-token";
    for url in [
        "https://tables.example/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://plain.example:8080/",
    ] {
        assert_eq!(mistake(&mut tool, url, long), None, "{url}");
    }
    assert_eq!(
        mistake(&mut tool, "http://tables.example/", long).unwrap(),
        "header \"X-Key\" of tool \"book\" would send the environment variable KEY without TLS; use https://, or name the host \
         in BATON_PLAIN_HTTP"
    );
    assert_eq!(
        mistake(&mut tool, "https://tables.example/", "s3cret!").unwrap(),
        "header \"X-Key\" of tool \"book\" needs the environment variable KEY, which has fewer than 8 characters: it could not be \
         taken out of what the service answers; a value that is no secret belongs in the team file"
    );
}

#[tokio::test]
async fn a_secret_is_hidden_however_the_service_spells_it() {
    let echo = r#"["tok-a\"bcdefg", "TOK-A\u0022BCDEFG", "tok-a%22bcdefg", "dG9rLWEiYmNkZWZn", "746f6b2d6122626364656667"]"#;
    let service = Service::saying(json_answer(echo)).await;
    let mut tool = Setup::lookup(format!(
        "method = \"GET\"\nurl = \"http://{}/\"\nheaders = {{ X-Key = {{ env = \"KEY\" }} }}",
        service.address
    ));
    tool.variables = vec![("KEY", "tok-a\"bcdefg")];
    let told = tool.build().look_up(json!({})).await.unwrap();
    assert_eq!(told, r#"["…", "…", "…", "…", "…"]"#);
}
