//! What the command does not take: each is one sentence that says what to do, the exit code 2, and no conversation.

use super::folder::Folder;

#[test]
fn a_mistake_in_a_file_is_one_sentence_with_its_line() {
    for (text, sentence) in [
        (
            "[[turn]]\nsay = \"Hello\"\n",
            "a.conversation.toml:2: unknown key `say`, expected one of `says`, `confirm`, `approve`, `reject`, `expect`; is `says` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\nconfirm = true\n",
            "a.conversation.toml:1: a turn needs one of says, confirm, approve and reject.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nagent = \"SaleAgent\"\n",
            "a.conversation.toml:4: the team has no agent \"SaleAgent\"; is `SalesAgent` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nno_calls = [\n    \"execute_refunds\",\n]\n",
            "a.conversation.toml:5: the team has no tool \"execute_refunds\"; is `execute_refund` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"look_up_item\"\n",
            "a.conversation.toml:4: the tool \"look_up_item\" is a lookup, and this is for actions.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nmatches = [\"(\"]\n",
            "a.conversation.toml:4: the regular expression \"(\" cannot be used: unclosed group.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[judge]\nvotes = 2\n",
            "a.conversation.toml:4: votes must be odd and 15 at most.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[judge]\nmodel = \"wise\"\n",
            "a.conversation.toml:4: the team has no model \"wise\".",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nlanguage = \"xx\"\n",
            "a.conversation.toml:4: unknown value `xx`",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[order]]\ntool = \"execute_refund\"\nafter = { to = \"x\" }\n",
            "a.conversation.toml:5: after needs either customer (with or without to) or tool.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[stub]]\ntool = \"look_up_item\"\nresult = 1\narguments = { q = { said_by = \"agents\" } }\n",
            "a.conversation.toml:4: the arguments of a stub cannot have said_by and found_by: a stub knows its own call only.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"execute_refund\"\narguments = { item_id = { found_by = \"lookup_item\" } }\n",
            "a.conversation.toml:4: the team has no tool \"lookup_item\"; is `look_up_item` meant?\n",
        ),
        (
            "name = \"empty\"\n",
            "a.conversation.toml:1: the file needs either [[turn]]s, one at least, or [simulated].",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[stub]]\ntool = \"look_up_item\"\n",
            "a.conversation.toml:4: a stub needs one of result, error and unknown.",
        ),
    ] {
        let folder = Folder::new();
        folder.write("a.conversation.toml", text);
        let said = folder.test(&["--rehearsal"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.notes.contains(sentence), "{text}\n{said:?}");
        assert_eq!(said.notes.lines().count(), 1, "{said:?}");
        assert_eq!(said.report, "");
    }
}

#[test]
fn flags_and_paths_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let said = folder.test(&[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.notes
            .contains(". has no file that ends in .conversation.toml"),
        "{said:?}"
    );
    folder.write("a.conversation.toml", "[[turn]]\nsays = \"Hello\"\n");
    folder.write("scenes.toml", "[[scene]]\nsays = 1\n");
    for (flags, sentence) in [
        (
            &["--runs", "2", "--k", "3"][..],
            "--k is 3, and pass^k needs as many runs: --runs 3",
        ),
        (&["--jobs", "0"], "--jobs must be from 1 to 64"),
        (&["--threshold", "95"], "--threshold must be from 0 to 1"),
        (&["--filter", "nothing"], "--filter leaves no case"),
        (&["--scenes", "scenes.toml"], "--rehearsal"),
        (
            &["--rehearsal", "--scenes", "scenes.toml"],
            "unknown field `says`",
        ),
        (
            &["one.toml", "two.toml"],
            "one.toml and two.toml are both taken for team files",
        ),
        (
            &["missing.toml", "a.conversation.toml"],
            "missing.toml cannot be read",
        ),
        (
            &["missing.conversation.toml"],
            "missing.conversation.toml cannot be read",
        ),
    ] {
        let said = folder.test(flags);
        assert_eq!(said.code, Some(2), "{flags:?} {said:?}");
        assert!(said.notes.contains(sentence), "{flags:?} {said:?}");
    }
}
