//! Keys, as the browser is told of them.

use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};

/// As the protocol has it.
const SHIFT: i64 = 8;

/// A key that is pressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Enter,
    ShiftEnter,
    Tab,
    ShiftTab,
    Escape,
    Space,
}

impl Key {
    /// Down, and up again.
    pub(crate) fn is_pressed(self) -> [DispatchKeyEventParams; 2] {
        let (name, code, number, text, shift) = self.described();
        let event = |r#type| {
            let mut event = DispatchKeyEventParams::new(r#type);
            event.key = Some(name.to_owned());
            event.code = Some(code.to_owned());
            event.windows_virtual_key_code = Some(number);
            event.modifiers = Some(if shift { SHIFT } else { 0 });
            event
        };
        let mut down = event(if text.is_some() {
            DispatchKeyEventType::KeyDown
        } else {
            DispatchKeyEventType::RawKeyDown
        });
        down.text = text.map(str::to_owned);
        [down, event(DispatchKeyEventType::KeyUp)]
    }

    /// Name, code, number, text, whether shift is held.
    fn described(self) -> (&'static str, &'static str, i64, Option<&'static str>, bool) {
        match self {
            Self::Enter => ("Enter", "Enter", 13, Some("\r"), false),
            Self::ShiftEnter => ("Enter", "Enter", 13, Some("\r"), true),
            Self::Tab => ("Tab", "Tab", 9, None, false),
            Self::ShiftTab => ("Tab", "Tab", 9, None, true),
            Self::Escape => ("Escape", "Escape", 27, None, false),
            Self::Space => (" ", "Space", 32, Some(" "), false),
        }
    }
}
