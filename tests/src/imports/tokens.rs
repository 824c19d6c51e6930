//! Rust's tokens, as far as paths need them: no comments, and of literals only those that stand in attributes.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a keyword; without the `r#` of a raw one.
    Word(&'a str),
    /// A lifetime, a number, a character or a string; only of a plain string is the text kept, as it is written.
    Literal(&'a str),
    /// `::`.
    PathSeparator,
    /// Every other sign, one character at a time.
    Sign(char),
}

/// Cuts a source file into its tokens. A file that the compiler takes is expected.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

/// The length of the next token, or of white space or a comment, which are none.
fn next(rest: &str, first: char) -> (usize, Option<Token<'_>>) {
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if rest.starts_with("::") {
        return (2, Some(Token::PathSeparator));
    }
    if let Some(length) = raw_string(rest) {
        return (length, Some(Token::Literal("")));
    }
    if let Some(name) = rest.strip_prefix("r#") {
        let length = word(name);
        return (2 + length, Some(Token::Word(&name[..length])));
    }
    // `b"…"`, `c"…"` and `b'…'`.
    let prefix = usize::from(first == 'b' || first == 'c');
    if rest[prefix.min(rest.len())..].starts_with('"') {
        let length = prefix + quoted(&rest[prefix..], '"');
        return (length, Some(Token::Literal(&rest[prefix + 1..length - 1])));
    }
    if rest.starts_with("b'") {
        return (1 + quoted(&rest[1..], '\''), Some(Token::Literal("")));
    }
    match first {
        '\'' => (character_or_lifetime(rest), Some(Token::Literal(""))),
        '0'..='9' => (number(rest), Some(Token::Literal(""))),
        _ if is_in_word(first) => {
            let length = word(rest);
            (length, Some(Token::Word(&rest[..length])))
        }
        _ => (first.len_utf8(), Some(Token::Sign(first))),
    }
}

fn is_in_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn word(rest: &str) -> usize {
    rest.find(|c| !is_in_word(c)).unwrap_or(rest.len())
}

/// Comments lie within each other.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let left = &rest[at..];
        if left.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if left.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            let Some(c) = left.chars().next() else { return at };
            at += c.len_utf8();
        }
        if depth == 0 {
            return at;
        }
    }
}

/// `r"…"`, `r#"…"#`, `br"…"` and `cr"…"`.
fn raw_string(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let text = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text.find(&end).map_or(text.len(), |at| at + end.len());
    Some(rest.len() - text.len() + length)
}

/// A literal with its quotes, in which a backslash takes the next character.
fn quoted(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// `'a'` is a character, `'a` a lifetime.
fn character_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    if chars.next() == Some('\\') || chars.next() == Some('\'') {
        return quoted(rest, '\'');
    }
    1 + word(&rest[1..])
}

/// `0xff`, `1_000u64`, `1.5`; but of `1..2` and `1.max(2)` only the first digit.
fn number(rest: &str) -> usize {
    let whole = word(rest);
    match rest[whole..].strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            whole + 1 + word(fraction)
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn words(source: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(source)
            .into_iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn comments_are_no_tokens() {
        words("a // b\nc /// d\n//! e\nf", &["a", "c", "f"]);
        words("a /* b /* c */ d */ e /**/ f", &["a", "e", "f"]);
        words("a / b", &["a", "b"]);
        words("a // b", &["a"]);
    }

    #[test]
    fn literals_are_no_words() {
        words(r#"a "b \" c" d"#, &["a", "d"]);
        words(r##"a r"b \" c r#"d " e"# f br#"g"# h"##, &["a", "c", "f", "h"]);
        words(r#"a b"b" c"c" b'd' b'\'' e"#, &["a", "e"]);
        words(r"a 'b' '\'' '\u{1F600}' '/' 'ü' c", &["a", "c"]);
        words(r#"a '"' b "//" c '\\' d"#, &["a", "b", "c", "d"]);
        words("1 0xff 1_000_u64 1.5e3 a", &["a"]);
    }

    #[test]
    fn lifetimes_are_no_characters() {
        words("impl<'a> X<'a, 'static> { 'outer: loop {} }", &["impl", "X", "loop"]);
        words("f::<'_>(x)", &["f", "x"]);
    }

    #[test]
    fn names_keep_their_edges() {
        words("r#type r_x bar c1 b2 crate r", &["type", "r_x", "bar", "c1", "b2", "crate", "r"]);
        words("1.max(b) 1..c", &["max", "b", "c"]);
        let expected = [Token::Word("a"), Token::PathSeparator, Token::Word("b"), Token::Sign(':')];
        assert_eq!(tokens("a::b:"), expected);
        assert_eq!(tokens(r#"#[path = "a.rs"]"#)[4], Token::Literal("a.rs"));
    }
}
