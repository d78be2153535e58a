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
            "[[turn]]\nsays = \"Hello\"\n[[stub]]\ntool = \"look_up_item\"\nresult = 1\narguments = { search_query = { said_by = \"agents\" } }\n",
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
        (
            "[[turn]]\nsays = \"Hello\"\n[[stub]]\ntool = \"look_up_item\"\nresult = 1\narguments = { serch_query = \"x\" }\n",
            "a.conversation.toml:4: the tool \"look_up_item\" has no argument \"serch_query\"; is `search_query` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[order]]\ntool = \"execute_refund\"\narguments = { item = 1 }\nafter = { customer = \"yes\" }\n",
            "a.conversation.toml:4: the tool \"execute_refund\" has no argument \"item\"; is `item_id` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"execute_refund\"\narguments = { exactly = { max = 1 } }\n",
            "a.conversation.toml:4: the tool \"execute_refund\" has no argument \"max\".\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"execute_refund\"\narguments = { regex = \"x\" }\n",
            "a.conversation.toml:4: the tool \"execute_refund\" has no argument \"regex\"",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"execute_refund\"\narguments = { item_id = { regex = \"x\", mx = 1 } }\n",
            "a.conversation.toml:5: a pattern with regex cannot have other keys beside it",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[effect]]\ntool = \"execute_refund\"\narguments = \"x\"\n",
            "a.conversation.toml:5: arguments must be a table of the tool's arguments.",
        ),
        (
            "[customer]\nid = \"\"\n[[turn]]\nsays = \"Hello\"\n",
            "a.conversation.toml:2: a subject must have 1 to 255 bytes",
        ),
        (
            "[customer]\ntenant = \"a b\"\n[[turn]]\nsays = \"Hello\"\n",
            "a.conversation.toml:2: a tenant must match",
        ),
        (
            "[customer]\n\nclaims = { share = nan }\n[[turn]]\nsays = \"Hello\"\n",
            "a.conversation.toml:3: NaN is a number that JSON does not have.",
        ),
        (
            "[[turn]]\nsays = \" \"\n",
            "a.conversation.toml:2: a text is empty here, which says nothing.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\ncontains = [\"\"]\n",
            "a.conversation.toml:4: a text is empty here, which says nothing.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[expect]\nmatches = [\"\"]\n",
            "a.conversation.toml:4: an empty regular expression finds something in any text.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[[order]]\ntool = \"execute_refund\"\nafter = { customer = \"yes\", arguments = { item_id = 1 } }\n",
            "a.conversation.toml:5: arguments of after are those of its tool, and it has customer.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[office]\nrefunds = [\n    { item_id = { found_by = \"lookup_item\" } },\n]\n",
            "a.conversation.toml:5: the team has no tool \"lookup_item\"; is `look_up_item` meant?\n",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nno_calls = [\"transfer_to_sales_agent\"]\n",
            "a.conversation.toml:4: \"transfer_to_sales_agent\" is a hand-off, which is no call; hand_offs and most_hand_offs are for those.",
        ),
        (
            "[[turn]]\nsays = \"Hello\"\n[turn.expect]\nno_calls = \"execute_refund\"\n",
            "a.conversation.toml:4: invalid type: string \"execute_refund\", expected a list, as in [\"…\"].",
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
fn what_is_too_much_is_a_mistake_with_its_line() {
    let turn = "[[turn]]\nsays = \"Hello\"\n";
    let long = "x".repeat(40_000);
    let many = |entry: &str| vec![entry; 257].join(", ");
    for (text, sentence) in [
        (
            format!("{turn}[[turn]]\nsays = \"{long}\"\n"),
            "a.conversation.toml:3: a message of a customer has 32768 bytes at most.",
        ),
        (
            format!("[customer]\nclaims = {{ a = \"{long}\" }}\n{turn}"),
            "a.conversation.toml:2: claims of [customer] are larger than 2 KB.",
        ),
        (
            format!("{turn}[expect]\nrubric = [{}]\n", many("\"Be kind.\"")),
            "a.conversation.toml:4: a list has 256 entries at most.",
        ),
        (
            format!(
                "{turn}[expect]\ncalls = [{}]\n",
                many("{ tool = \"look_up_item\" }")
            ),
            "a.conversation.toml:4: a list has 256 entries at most.",
        ),
        (
            format!("{turn}[office]\norders = [{}]\n", many("{ any = true }")),
            "a.conversation.toml:4: a list has 256 entries at most.",
        ),
    ] {
        let folder = Folder::new();
        folder.write("a.conversation.toml", &text);
        let said = folder.test(&["--rehearsal"]);
        assert_eq!(said.code, Some(2), "{sentence} {said:?}");
        assert!(said.notes.contains(sentence), "{said:?}");
    }
}

#[test]
fn an_argument_may_have_the_name_of_a_key_of_patterns() {
    let folder = Folder::new();
    folder.write(
        "team.toml",
        "name = \"Shop\"\nentry = \"Desk\"\n[[agent]]\nname = \"Desk\"\ninstructions = \"Help.\"\ntools = [\"list\"]\n\
         [[tool]]\nname = \"list\"\nkind = \"lookup\"\ndescription = \"Lists.\"\n[tool.parameters.max]\ntype = \"integer\"\n\
         [tool.http]\nmethod = \"GET\"\nurl = \"https://shop.example/list\"\n",
    );
    folder.write(
        "a.conversation.toml",
        "[[stub]]\ntool = \"list\"\narguments = { max = 3 }\nresult = \"all\"\n\
         [[turn]]\nsays = 'rehearse: call list {\"max\": 3}'\n[turn.expect]\n\
         calls = [{ tool = \"list\", arguments = { max = { min = 2, max = 3 } }, outcome = \"ok\" }]\n",
    );
    let said = folder.test(&["team.toml", "--rehearsal"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn cases_are_left_out_by_name_or_file() {
    let folder = Folder::new();
    folder.write("a.conversation.toml", "[[turn]]\nsays = \"Hello\"\n");
    folder.write(
        "b.conversation.toml",
        "name = \"judged\"\n[[turn]]\nsays = \"Hello\"\n[expect]\nrubric = [\"Be kind.\"]\n",
    );
    let said = folder.test(&["--rehearsal"]);
    assert!(
        said.notes.contains("leave the file out by --skip"),
        "{said:?}"
    );
    for skipped in ["judged", "b.conversation"] {
        let said = folder.test(&["--rehearsal", "--skip", skipped]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.report.contains("1 of 1 cases"), "{said:?}");
    }
    let said = folder.test(&["--rehearsal", "--skip", "conversation"]);
    assert_eq!(said.code, Some(2), "{said:?}");
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
        (
            &["--threshold", "95"],
            "--threshold must be above 0, and 1 at most",
        ),
        (
            &["--threshold", "0"],
            "--threshold must be above 0, and 1 at most",
        ),
        (
            &["--filter", "nothing"],
            "--filter and --skip leave no case",
        ),
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
