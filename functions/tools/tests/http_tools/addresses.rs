//! Where a tool may call.

use std::net::{Ipv4Addr, SocketAddr};

use baton_handoff::ports::Outcome;
use serde_json::json;

use crate::service::{Does, Service, answer, json as json_answer};
use crate::support::{Script, Setup};

fn get(host: &str, port: u16) -> String {
    format!("method = \"GET\"\nurl = \"http://{host}:{port}/\"")
}

#[tokio::test]
async fn a_private_address_is_refused_at_start_however_it_is_spelt() {
    let spellings = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "10.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "0.0.0.0",
    ];
    for host in spellings {
        let tool = Setup {
            networks: Vec::new(),
            ..Setup::lookup(get(host, 80))
        };
        let mistake = tool.mistake();
        assert!(
            mistake.contains("which it may not call"),
            "{host}: {mistake}"
        );
    }
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused_without_a_connection() {
    let service = Service::saying(json_answer("[]")).await;
    let tool = |kind| Setup {
        kind,
        networks: Vec::new(),
        ..Setup::lookup(get("tables.example", service.address.port()))
    };
    let told = tool("lookup").build().look_up(json!({})).await;
    assert_eq!(
        told.unwrap_err(),
        "book was not called: its address is not allowed."
    );
    let outcome = tool("action").build().act_plainly().await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_declaration_and_a_setting_can_allow_private_addresses() {
    let service = Service::saying(json_answer("[]")).await;
    let port = service.address.port();
    let declared = Setup {
        networks: Vec::new(),
        ..Setup::lookup(get("tables.example", port) + "\nallow_private = true")
    };
    assert!(declared.build().look_up(json!({})).await.is_ok());
    let set = Setup {
        networks: vec!["10.0.0.0/8", "127.0.0.0/8"],
        ..Setup::lookup(get("tables.example", port))
    };
    assert!(set.build().look_up(json!({})).await.is_ok());
}

#[tokio::test]
async fn nothing_allows_the_metadata_service() {
    let tool = Setup {
        networks: vec!["0.0.0.0/0", "::/0"],
        names: Script::of(&[&["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"]]),
        ..Setup::lookup(get("tables.example", 80) + "\nallow_private = true")
    };
    let told = tool.build().look_up(json!({})).await;
    assert_eq!(
        told.unwrap_err(),
        "book was not called: its address is not allowed."
    );
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_after_the_check_changes_nothing() {
    let good = Service::saying(json_answer("\"good\"")).await;
    let port = good.address.port();
    let inside = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
    let bad = Service::start_at(inside, |_| Does::Says(json_answer("\"bad\""))).await;
    let names = Script::of(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let tool = Setup {
        names: names.clone(),
        ..Setup::lookup(get("tables.example", port))
    }
    .build();
    assert_eq!(tool.look_up(json!({})).await.unwrap(), "\"good\"");
    assert_eq!(names.asked(), ["tables.example"], "one question a call");
    assert!(
        tool.look_up(json!({})).await.is_err(),
        "what is checked is what the name is now"
    );
    assert_eq!((good.connections(), bad.connections()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_allowed_ones_are_tried() {
    let service = Service::saying(json_answer("[]")).await;
    let port = service.address.port();
    let inside = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
    let bad = Service::start_at(inside, |_| Does::HangsUp).await;
    let tool = Setup {
        names: Script::of(&[&["127.0.0.2", "169.254.169.254", "127.0.0.1"]]),
        ..Setup::lookup(get("tables.example", port))
    };
    assert!(tool.build().look_up(json!({})).await.is_ok());
    assert_eq!((service.connections(), bad.connections()), (1, 0));
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Service::saying(json_answer("[]")).await;
    let location = format!("location: http://{}/\r\n", elsewhere.address);
    let cases = [
        ("301 Moved Permanently", false),
        ("302 Found", false),
        ("303 See Other", false),
        ("307 Temporary Redirect", true),
        ("308 Permanent Redirect", true),
    ];
    for (status, surely_not_done) in cases {
        let service = Service::saying(answer(status, &location, "")).await;
        let http = format!("method = \"POST\"\nurl = \"http://{}/\"", service.address);
        assert!(
            Setup::lookup(&http)
                .build()
                .look_up(json!({}))
                .await
                .is_err(),
            "{status}"
        );
        let outcome = Setup::action(&http).build().act_plainly().await;
        assert_eq!(
            matches!(outcome, Outcome::Rejected(_)),
            surely_not_done,
            "{outcome:?}"
        );
        assert_eq!(
            matches!(outcome, Outcome::Unknown(_)),
            !surely_not_done,
            "{outcome:?}"
        );
    }
    assert_eq!(elsewhere.connections(), 0);
}
