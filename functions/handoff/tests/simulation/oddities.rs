//! What models, services, customers and operators may write, though nobody should.

use crate::world::World;

/// Text of at most `bulk` bytes, or a little more: control characters, quotes, characters of many bytes, or nothing but space.
pub(crate) fn text(world: &World, bulk: u64) -> String {
    let piece = match world.below(8) {
        0 => "\u{1}",
        1 => "\"\\",
        2 => "\u{0}\n\r\t\u{1b}\u{7f}",
        3 => "\u{2028}\u{202e}\u{feff}",
        4 => "𝕏🙂é",
        5 => " ",
        6 => "</script>{}[}\u{fffd}",
        _ => "word ",
    };
    let most = usize::try_from(bulk).unwrap_or(0) / piece.len();
    let count = match world.below(3) {
        0 => 1,
        1 => world.index(most.max(1)) + 1,
        _ => most,
    };
    piece.repeat(count)
}

/// A name of a tool that no team has, or nearly one.
pub(crate) fn name(world: &World) -> String {
    let names = [
        "",
        " ",
        "execute_order ",
        "Execute_Order",
        "to desk",
        "\u{0}",
        "ö",
        "functions.execute_order",
        "nobody_knows_this",
    ];
    match world.below(10) {
        0 => "x".repeat(300),
        _ => names[world.index(names.len())].to_owned(),
    }
}

/// An id of a call that is none, is no id, or is that of other calls as well.
pub(crate) fn id(world: &World) -> Option<String> {
    let ids = ["", "call_1", "call_1", "a b\u{1}", "#", "call_0_"];
    match world.below(8) {
        0 => None,
        1 => Some("i".repeat(500)),
        _ => Some(ids[world.index(ids.len())].to_owned()),
    }
}

/// Arguments that are no JSON, no object, no arguments of any tool, or such in a strange way.
pub(crate) fn arguments(world: &World, bulk: u64) -> String {
    let text = serde_json::Value::from(text(world, bulk)).to_string();
    match world.below(12) {
        0 => String::new(),
        1 => "null".to_owned(),
        2 => "[]".to_owned(),
        3 => "{".to_owned(),
        4 => "[".repeat(300),
        5 => r#"{"product":"a","product":"b","price":1e400}"#.to_owned(),
        6 => r#"{"product":"\ud800","price":1}"#.to_owned(),
        7 => text,
        8 => format!(r#"{{"van":{text}}}"#),
        9 => format!(r#"{{"item_id":{text},"reason":{text}}}"#),
        _ => format!(r#"{{"product":{text},"price":7}}"#),
    }
}
