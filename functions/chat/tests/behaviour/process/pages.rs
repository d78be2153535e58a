//! The page from a folder, for working on it: only what lies in that folder.

use std::os::unix::fs::symlink;

use crate::backend::file_in;
use crate::suite::support::Folder;

use super::local::{Local, command};

#[tokio::test]
async fn a_folder_with_the_page_gives_its_files_and_nothing_that_its_links_lead_to() {
    let folder = Folder::new();
    let file = file_in(&folder);
    let outside = file.with_file_name("outside");
    let inside = outside.join("inside");
    std::fs::create_dir_all(inside.join("app")).unwrap();
    std::fs::write(outside.join("secret.js"), "secret").unwrap();
    std::fs::write(inside.join("index.html"), "page").unwrap();
    std::fs::write(inside.join("app/a.js"), "script").unwrap();
    symlink(outside.join("secret.js"), inside.join("link.js")).unwrap();
    symlink(&outside, inside.join("up")).unwrap();
    symlink("app/a.js", inside.join("alias.js")).unwrap();
    std::fs::create_dir(inside.join("folder.js")).unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(inside.join("fifo.js"))
        .status();
    assert!(fifo.unwrap().success());

    let mut command = command(&file, "rehearsal");
    command.arg("--static-dir").arg(&inside);
    let server = Local::run(command).await;
    let client = server.client();
    for (path, body) in [
        ("/", "page"),
        ("/static/app/a.js", "script"),
        ("/static/alias.js", "script"),
    ] {
        assert_eq!(client.get(path).await.body, body, "{path}");
    }
    for path in ["link.js", "up/secret.js", "folder.js", "fifo.js", "none.js"] {
        let answer = client.get(&format!("/static/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    server.kill().await;
}
