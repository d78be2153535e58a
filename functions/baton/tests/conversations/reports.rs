//! The reports: whatever was said, they stay XML and HTML.

use super::folder::Folder;

#[test]
fn no_text_of_a_conversation_is_markup_in_a_report() {
    let folder = Folder::new();
    folder.write(
        "a.conversation.toml",
        r#"
name = "a <b> & \"c\" \u001b[31m"
[[turn]]
says = "<script>alert(1)</script> ]]> \u0000 \u000b & done"
[turn.expect]
contains = ["<img src=x onerror=\"y\">"]
"#,
    );
    let said = folder.test(&[
        "--rehearsal",
        "--runs",
        "2",
        "--junit",
        "r.xml",
        "--html",
        "r.html",
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let xml = folder.read("r.xml");
    let html = folder.read("r.html");
    for report in [&xml, &html, &said.report] {
        let has = |c: char| c.is_control() && c != '\n';
        assert!(!report.contains(has), "{report:?}");
    }
    for report in [&xml, &html] {
        assert!(!report.contains("<script"), "{report}");
        assert!(!report.contains("<img"), "{report}");
        assert!(
            report.contains("&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt;"),
            "{report}"
        );
    }
    assert!(
        xml.contains(r#"tests="2" failures="2" errors="0""#),
        "{xml}"
    );
    assert!(
        xml.contains("classname=\"a &lt;b&gt; &amp; &quot;c&quot; \u{fffd}[31m\""),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase ").count(), 2);
    assert_eq!(xml.matches("</testcase>").count(), 2);
    assert_eq!(xml.matches("<failure ").count(), 2);
}

#[test]
fn a_run_that_could_not_be_carried_out_is_an_error_and_no_failure() {
    let folder = Folder::new();
    let long = "x".repeat(40_000);
    folder.write(
        "a.conversation.toml",
        &format!("[[turn]]\nsays = \"{long}\"\n"),
    );
    let said = folder.test(&["--rehearsal", "--junit", "r.xml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence = "the run could not be carried out: the message is too long: 40000 bytes";
    assert!(said.report.contains(sentence), "{said:?}");
    let xml = folder.read("r.xml");
    assert!(
        xml.contains(r#"tests="1" failures="0" errors="1""#),
        "{xml}"
    );
    assert!(xml.contains("<error message=\"the run could not"), "{xml}");
}
