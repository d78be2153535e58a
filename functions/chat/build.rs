//! Packs what browsers and clients get of this repository's files, so that the program holds them once and compressed.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::{env, fmt::Write as _};

use flate2::{Compression, write::GzEncoder};

/// The folder of the page has files of other kinds, for developers.
const KINDS: [&str; 6] = ["css", "html", "js", "png", "svg", "webmanifest"];

/// Its tests are modules too.
const TESTS: &str = "tests";

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let mut packed = Packed {
        out: env::var("OUT_DIR")?,
        index: String::new(),
        count: 0,
    };
    packed.folder("", &Path::new(&root).join("../../static"))?;
    packed.file("openapi.json", &Path::new(&root).join("openapi.json"))?;
    let index = format!("&[\n{}]\n", packed.index);
    fs::write(Path::new(&packed.out).join("embedded.rs"), index)?;
    Ok(())
}

struct Packed {
    out: String,
    /// Pairs of a name and its bytes, in Rust.
    index: String,
    count: usize,
}

impl Packed {
    fn folder(&mut self, prefix: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            paths.push(entry?.path());
        }
        // The order in which a disk lists them would make each build another one.
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or("a file of the page has no name in UTF-8")?;
            let kind = path.extension().and_then(|kind| kind.to_str());
            if path.is_dir() && name != TESTS {
                self.folder(&format!("{prefix}{name}/"), &path)?;
            } else if kind.is_some_and(|kind| KINDS.contains(&kind)) {
                self.file(&format!("{prefix}{name}"), &path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed={}", path.display());
        let packed = format!("{}.gz", self.count);
        let file = fs::File::create(Path::new(&self.out).join(&packed))?;
        let mut gzip = GzEncoder::new(file, Compression::best());
        gzip.write_all(&fs::read(path)?)?;
        gzip.finish()?;
        let bytes = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{packed}\"))");
        writeln!(self.index, "({name:?}, {bytes}),")?;
        self.count += 1;
        Ok(())
    }
}
