//! The option parser of the classic tools: what they took, and how they refused.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What an option of a command is called, and what it takes.
pub(crate) struct Spec {
    pub(crate) short: Option<char>,
    /// Another letter for the same.
    pub(crate) also: Option<char>,
    pub(crate) long: &'static str,
    pub(crate) takes: Takes,
    /// Looked at as soon as the option is read, so that errors come in the order of the arguments.
    pub(crate) check: Check,
    pub(crate) help: &'static str,
    /// What `baler` itself has in its place.
    pub(crate) new: &'static str,
}

/// What comes behind an option.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// Nothing, and there is a `--no-` form too.
    Switch,
    Value(&'static str),
    /// One of these words, or the beginning of one.
    Word(&'static str, &'static [&'static str]),
}

/// Whether a value can be meant; the text says why not.
pub(crate) type Check = fn(&OsStr) -> Result<(), String>;

pub(crate) const fn flag(long: &'static str, help: &'static str, new: &'static str) -> Spec {
    Spec { short: None, also: None, long, takes: Takes::Nothing, check: anything, help, new }
}

pub(crate) const fn value(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    check: Check,
    help: &'static str,
    new: &'static str,
) -> Spec {
    Spec { short, also: None, long, takes: Takes::Value(value), check, help, new }
}

impl Spec {
    pub(crate) const fn short(self, short: char) -> Spec {
        Spec { short: Some(short), ..self }
    }

    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "for the names of EC2's tools"))]
    pub(crate) const fn also(self, letter: char) -> Spec {
        Spec { also: Some(letter), ..self }
    }

    fn has_letter(&self, letter: u8) -> bool {
        let letter = Some(char::from(letter));
        self.short == letter || self.also == letter
    }

    fn takes_value(&self) -> bool {
        matches!(self.takes, Takes::Value(_) | Takes::Word(..))
    }
}

/// What was typed, in its order. It prints nothing of it: there are secrets among it.
pub(crate) struct Options {
    given: Vec<Given>,
    /// What is no option.
    pub(crate) rest: Vec<OsString>,
}

struct Given {
    long: &'static str,
    value: Value,
}

impl Given {
    fn text(&self) -> Option<&OsStr> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

enum Value {
    On,
    Off,
    Text(OsString),
}

impl Options {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with the first option that is wrong.
    pub(crate) fn parse(
        table: &[&'static [Spec]],
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Options, String> {
        let mut options = Options { given: Vec::new(), rest: Vec::new() };
        let specs: Vec<&'static Spec> = table.iter().flat_map(|part| part.iter()).collect();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let bytes = arg.as_bytes();
            if bytes == b"--" {
                options.rest.extend(args);
                break;
            } else if let Some(long) = bytes.strip_prefix(b"--") {
                options.long(&specs, long, &mut args)?;
            } else if bytes.len() > 1 && bytes[0] == b'-' {
                options.short(&specs, &bytes[1..], &mut args)?;
            } else {
                options.rest.push(arg);
            }
        }
        Ok(options)
    }

    fn long(
        &mut self,
        specs: &[&'static Spec],
        text: &[u8],
        args: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), String> {
        let (name, value) = match text.iter().position(|byte| *byte == b'=') {
            Some(at) => (&text[..at], Some(OsString::from_vec(text[at + 1..].to_vec()))),
            None => (text, None),
        };
        let name = String::from_utf8_lossy(name);
        let typed = format!("--{name}");
        let (spec, is_on) = find(specs, &name).map_err(|why| format!("{why} option: {typed}"))?;
        match (spec.takes_value(), value) {
            (true, Some(value)) => self.take(spec, &typed, value),
            (true, None) => {
                let value = next(specs, &typed, args)?;
                self.take(spec, &typed, value)
            }
            (false, Some(_)) => Err(format!("needless argument: {typed}")),
            (false, None) => {
                let value = if is_on { Value::On } else { Value::Off };
                self.given.push(Given { long: spec.long, value });
                Ok(())
            }
        }
    }

    /// `-v`, `-pvalue`, `-p value`, and several letters that take nothing in one.
    fn short(
        &mut self,
        specs: &[&'static Spec],
        text: &[u8],
        args: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), String> {
        for (at, letter) in text.iter().enumerate() {
            let typed = format!("-{}", char::from(*letter));
            let Some(spec) = specs.iter().find(|spec| spec.has_letter(*letter)) else {
                return Err(format!("invalid option: {typed}"));
            };
            if !spec.takes_value() {
                self.given.push(Given { long: spec.long, value: Value::On });
                continue;
            }
            let value = match &text[at + 1..] {
                [] => next(specs, &typed, args)?,
                value => OsString::from_vec(value.to_vec()),
            };
            return self.take(spec, &typed, value);
        }
        Ok(())
    }

    fn take(&mut self, spec: &'static Spec, typed: &str, value: OsString) -> Result<(), String> {
        let value =
            match spec.takes {
                Takes::Word(_, words) => OsString::from(word(words, &value).ok_or_else(|| {
                    format!("invalid argument: {typed} {}", value.to_string_lossy())
                })?),
                _ => value,
            };
        (spec.check)(&value).map_err(|why| {
            format!("{typed} has invalid value '{}': {why}", value.to_string_lossy())
        })?;
        self.given.push(Given { long: spec.long, value: Value::Text(value) });
        Ok(())
    }

    /// Puts what `read` gives in the place of the one value or argument that is `-`: as many as it gives where there can
    /// be several, which is for `lists` and for what is no option; else one.
    ///
    /// # Errors
    /// If there is more than one `-`, or not the right number of values for it.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "for the names of EC2's tools"))]
    pub(crate) fn fill(
        &mut self,
        lists: &[&str],
        read: impl FnOnce() -> Result<Vec<OsString>, String>,
    ) -> Result<(), String> {
        let is_dash = |given: &Given| given.text().is_some_and(|text| text == "-");
        let dashes = self.given.iter().filter(|given| is_dash(given)).count();
        let arguments = self.rest.iter().filter(|argument| *argument == "-").count();
        match dashes + arguments {
            0 => return Ok(()),
            1 => {}
            _ => return Err("`-` stands for standard input, which is read only once".to_owned()),
        }
        let values = read()?;
        if values.is_empty() {
            return Err("`-` stands for standard input, and that is empty".to_owned());
        }
        if let Some(at) = self.rest.iter().position(|argument| argument == "-") {
            self.rest.splice(at..=at, values);
        } else if let Some(at) = self.given.iter().position(is_dash) {
            let long = self.given[at].long;
            if values.len() > 1 && !lists.contains(&long) {
                let count = values.len();
                return Err(format!("--{long} has one value, and standard input has {count}"));
            }
            let values = values.into_iter().map(|value| Given { long, value: Value::Text(value) });
            self.given.splice(at..=at, values);
        }
        Ok(())
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.switch(long).is_some_and(|on| on)
    }

    /// What was said of a switch last.
    pub(crate) fn switch(&self, long: &str) -> Option<bool> {
        let last = self.given.iter().rev().find(|given| given.long == long)?;
        Some(!matches!(last.value, Value::Off))
    }

    /// The last value of an option.
    pub(crate) fn os(&self, long: &str) -> Option<&OsStr> {
        self.given.iter().rev().filter(|given| given.long == long).find_map(Given::text)
    }

    /// The last value of an option, as text.
    pub(crate) fn text(&self, long: &str) -> Option<String> {
        self.os(long).map(|value| value.to_string_lossy().into_owned())
    }

    /// All values of an option that may be repeated.
    pub(crate) fn all<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.given.iter().filter(move |given| given.long == long).filter_map(Given::text)
    }
}

/// The option of that name, or the only one that begins so; and whether it is not its `--no-` form.
fn find(specs: &[&'static Spec], typed: &str) -> Result<(&'static Spec, bool), &'static str> {
    let forms = specs.iter().flat_map(|spec| {
        let off = matches!(spec.takes, Takes::Switch)
            .then(|| (format!("no-{}", spec.long), *spec, false));
        std::iter::once((spec.long.to_owned(), *spec, true)).chain(off)
    });
    let forms: Vec<_> = forms.filter(|(name, ..)| name.starts_with(typed)).collect();
    if let Some((_, spec, is_on)) = forms.iter().find(|(name, ..)| name == typed) {
        return Ok((spec, *is_on));
    }
    match &*forms {
        [(_, spec, is_on)] if !typed.is_empty() => Ok((spec, *is_on)),
        [_, _, ..] if !typed.is_empty() => Err("ambiguous"),
        _ => Err("invalid"),
    }
}

/// The argument behind an option. Another option of the command is not meant as a value: a script left it empty.
fn next(
    specs: &[&'static Spec],
    typed: &str,
    args: &mut impl Iterator<Item = OsString>,
) -> Result<OsString, String> {
    let value = args.next().ok_or_else(|| format!("missing argument: {typed}"))?;
    let is_option = match value.as_bytes() {
        [b'-', b'-', name @ ..] => specs.iter().any(|spec| spec.long.as_bytes() == name),
        [b'-', letter] => specs.iter().any(|spec| spec.has_letter(*letter)),
        _ => false,
    };
    if is_option {
        let value = value.to_string_lossy();
        return Err(format!("missing argument: {typed} (`{value}` is an option)"));
    }
    Ok(value)
}

/// The word that is meant.
fn word(words: &'static [&'static str], typed: &OsStr) -> Option<&'static str> {
    let typed = typed.to_str().filter(|typed| !typed.is_empty())?;
    let mut matching = words.iter().copied().filter(|word| word.starts_with(typed));
    match (words.iter().copied().find(|word| *word == typed), matching.next(), matching.next()) {
        (Some(exact), ..) => Some(exact),
        (None, Some(only), None) => Some(only),
        _ => None,
    }
}

pub(crate) fn anything(_: &OsStr) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Spec] = &[
        flag("batch", "", ""),
        flag("yes", "", "").short('y').also('?'),
        flag("retry", "", ""),
        value(Some('r'), "region", "REGION", anything, "", ""),
        value(Some('p'), "prefix", "PREFIX", no_slash, "", ""),
        Spec { takes: Takes::Switch, ..flag("inherit", "", "") },
        Spec {
            takes: Takes::Word("TYPE", &["mbr", "gpt", "none"]),
            ..flag("partition", "", "").short('P')
        },
    ];

    fn no_slash(value: &OsStr) -> Result<(), String> {
        if value.as_bytes().contains(&b'/') { Err("it has a slash".to_owned()) } else { Ok(()) }
    }

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(&[TABLE], args.iter().map(OsString::from))
    }

    #[test]
    fn options_are_taken_as_they_were() {
        for (args, long, value) in [
            (&["--prefix", "a"][..], "prefix", "a"),
            (&["--prefix=a=b"], "prefix", "a=b"),
            (&["--pre", "a"], "prefix", "a"),
            (&["--pre=a"], "prefix", "a"),
            (&["-pa"], "prefix", "a"),
            (&["-p", "a"], "prefix", "a"),
            (&["-ypa"], "prefix", "a"),
            (&["-p", "a", "x", "-p", "b"], "prefix", "b"),
            (&["-p", ""], "prefix", ""),
            (&["-p", "-x"], "prefix", "-x"),
            (&["-p", "--x"], "prefix", "--x"),
            (&["-P", "m"], "partition", "mbr"),
            (&["--partition=none"], "partition", "none"),
        ] {
            let found = parse(args).unwrap_or_else(|why| panic!("{args:?}: {why}"));
            assert_eq!(found.text(long).as_deref(), Some(value), "{args:?}");
        }
        let found =
            parse(&["/tmp/a", "-y", "/tmp/b", "--no-inherit", "--", "--batch"]).ok().unwrap();
        assert_eq!(found.rest, ["/tmp/a", "/tmp/b", "--batch"]);
        assert!(parse(&["-?"]).ok().unwrap().has("yes"));
        assert!(found.has("yes") && !found.has("batch") && !found.has("inherit"));
        assert_eq!(found.switch("inherit"), Some(false));
        assert_eq!(parse(&["--no-inh", "--inherit"]).ok().unwrap().switch("inherit"), Some(true));
    }

    #[test]
    fn a_dash_stands_for_what_is_read() {
        for (args, read, outcome) in [
            (&["-p", "x", "y"][..], &[][..], Ok((Some("x"), &["y"][..]))),
            (&["-p", "-", "y"], &["a"], Ok((Some("a"), &["y"]))),
            (&["--prefix=-"], &["-"], Ok((Some("-"), &[]))),
            (&["x", "-", "y"], &["a", "b"], Ok((None, &["x", "a", "b", "y"]))),
            (&["--", "-"], &["a"], Ok((None, &["a"]))),
            (&["-r", "-"], &["a", "b"], Ok((None, &[]))),
            (&["-p", "-"], &["a", "b"], Err("--prefix has one value, and standard input has 2")),
            (&["-"], &[], Err("`-` stands for standard input, and that is empty")),
            (&["-", "-"], &["a"], Err("`-` stands for standard input, which is read only once")),
            (&["-p-", "-"], &["a"], Err("`-` stands for standard input, which is read only once")),
        ] {
            let mut found = parse(args).unwrap_or_else(|why| panic!("{args:?}: {why}"));
            let filled = found.fill(&["region"], || Ok(read.iter().map(OsString::from).collect()));
            assert_eq!(filled.as_ref().err().map(String::as_str), outcome.err(), "{args:?}");
            let Ok((prefix, rest)) = outcome else { continue };
            assert_eq!(found.text("prefix").as_deref(), prefix, "{args:?}");
            assert_eq!(found.rest, rest, "{args:?}");
        }
        let mut several = parse(&["-r", "x", "-r", "-"]).ok().unwrap();
        several.fill(&["region"], || Ok(["a", "b"].map(OsString::from).to_vec())).ok().unwrap();
        assert_eq!(several.all("region").collect::<Vec<_>>(), ["x", "a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_old_words() {
        for (args, why) in [
            (&["--prefox"][..], "invalid option: --prefox"),
            (&["-x"], "invalid option: -x"),
            (&["-yx"], "invalid option: -x"),
            (&["--re", "a"], "ambiguous option: --re"),
            (&["--="], "invalid option: --"),
            (&["-p"], "missing argument: -p"),
            (&["--prefix"], "missing argument: --prefix"),
            (&["-p", "-r", "x"], "missing argument: -p (`-r` is an option)"),
            (&["-p", "--batch"], "missing argument: -p (`--batch` is an option)"),
            (&["--batch=yes"], "needless argument: --batch"),
            (&["-P", "x"], "invalid argument: -P x"),
            (&["-P", ""], "invalid argument: -P "),
            (&["-p", "a/b"], "-p has invalid value 'a/b': it has a slash"),
            (&["-p", "a/b", "--no-such"], "-p has invalid value 'a/b': it has a slash"),
            (&["--no-batch"], "invalid option: --no-batch"),
        ] {
            assert_eq!(parse(args).err().as_deref(), Some(why), "{args:?}");
        }
    }
}
