//! Text of a document: its white space, and the form in which messages show it.

/// Says whether a byte is white space of XML.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Makes text of a document fit for a message: its start, without characters that control a terminal.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut shown = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
