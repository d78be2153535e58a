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
fn a_report_that_cannot_be_written_is_noticed_before_the_first_conversation() {
    let folder = Folder::new();
    folder.write("a.conversation.toml", "[[turn]]\nsays = \"Hello\"\n");
    for flag in ["--junit", "--html"] {
        let said = folder.test(&["--rehearsal", flag, "missing/report"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.notes.contains("missing/report cannot be written"),
            "{said:?}"
        );
        assert_eq!(said.report, "");
    }
}

/// A device that is open for writing and has room for nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_report_that_fails_does_not_take_the_other_one_with_it() {
    let folder = Folder::new();
    folder.write("a.conversation.toml", "[[turn]]\nsays = \"Hello\"\n");
    let flags = ["--rehearsal", "--junit", "/dev/full", "--html", "r.html"];
    let said = folder.test(&flags);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.notes.contains("/dev/full cannot be written"),
        "{said:?}"
    );
    assert!(folder.read("r.html").contains("<td>1 of 1</td>"));
}

#[test]
fn the_end_of_a_case_is_told_while_others_go_on() {
    let folder = Folder::new();
    folder.write("a.conversation.toml", "[[turn]]\nsays = \"Hello\"\n");
    let said = folder.test(&["--rehearsal", "--runs", "3"]);
    assert!(
        said.notes.contains("ended   a: 3 of 3 passed\n"),
        "{said:?}"
    );
}
