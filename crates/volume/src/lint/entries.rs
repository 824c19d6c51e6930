//! Entries of boot loaders: the kernels and their arguments in the configurations of GRUB 2 and GRUB 0.97.

use std::collections::HashMap;

/// A kernel that can be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BootEntry {
    /// The kernel's path, as the boot loader sees it.
    pub(super) kernel: String,
    /// What it is started with.
    pub(super) arguments: Vec<String>,
    /// The paths of its initial file systems.
    pub(super) initrds: Vec<String>,
    /// The UUID of the file system that was looked for last.
    pub(super) searched: Option<String>,
}

impl BootEntry {
    /// The value of an argument; the last one counts.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let pairs = self.arguments.iter().rev().filter_map(|word| word.split_once('='));
        pairs.filter(|pair| pair.0 == name).map(|pair| pair.1).next()
    }

    /// Returns whether some of the arguments are known to the boot loader only.
    pub(super) fn has_unknown(&self) -> bool {
        self.arguments.iter().any(|word| word.contains('$'))
    }
}

/// GRUB 2's `grub.cfg`, as far as a kernel can be told from it without running it.
#[derive(Debug, Default)]
pub(super) struct GrubConfig {
    /// The kernels in the order of the file, of which the first is started if nothing else is said.
    pub(super) entries: Vec<BootEntry>,
    /// True if the kernels are those in `/boot/loader/entries`.
    pub(super) has_bls: bool,
    /// What it sets.
    pub(super) variables: HashMap<String, String>,
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    let words = words.iter().filter(|word| !word.is_empty());
    words.map(|word| word.replace(['"', '\''], "")).collect()
}

impl GrubConfig {
    /// Reads one.
    pub(super) fn parse(text: &str) -> GrubConfig {
        let mut config = GrubConfig::default();
        let mut searched = None;
        for line in text.lines().map(str::trim) {
            let words = words(line);
            match &words[..] {
                ["linux" | "linux16" | "linuxefi", kernel, arguments @ ..] => {
                    config.entries.push(BootEntry {
                        kernel: (*kernel).to_owned(),
                        arguments: owned(arguments),
                        searched: searched.clone(),
                        ..BootEntry::default()
                    });
                }
                ["initrd" | "initrd16" | "initrdefi", paths @ ..] => {
                    if let Some(entry) = config.entries.last_mut() {
                        entry.initrds.extend(owned(paths));
                    }
                }
                ["search", options @ ..]
                    if options.iter().any(|option| matches!(*option, "--fs-uuid" | "-u")) =>
                {
                    // Options may come before and behind it.
                    let uuid = options.iter().find(|word| uuid::Uuid::try_parse(word).is_ok());
                    searched = uuid.map(|uuid| (*uuid).to_owned());
                }
                ["search.fs_uuid", uuid, ..] => searched = Some((*uuid).to_owned()),
                ["blscfg", ..] => config.has_bls = true,
                ["set", ..] => config.set(line["set".len()..].trim()),
                _ => {}
            }
        }
        config
    }

    /// Takes over what was saved in `grubenv`.
    pub(super) fn load(&mut self, grubenv: &str) {
        grubenv.lines().filter(|line| !line.starts_with('#')).for_each(|line| self.set(line));
    }

    fn set(&mut self, assignment: &str) {
        if let Some((name, value)) = assignment.split_once('=') {
            let value = value.trim_matches(['"', '\'']).to_owned();
            self.variables.insert(name.to_owned(), value);
        }
    }

    /// Returns whether the first is started: another may be set by its number or its title, or saved.
    pub(super) fn starts_first(&self) -> bool {
        let default = self.variables.get("default").map(String::as_str);
        let saved = self.variables.get("saved_entry").map(String::as_str);
        let is_saved = matches!(default, Some("${saved_entry}" | "$saved_entry"));
        matches!(if is_saved { saved } else { default }, None | Some("" | "0"))
    }

    /// Puts values where variables are; those without a value stay.
    pub(super) fn expand(&self, entry: &mut BootEntry) {
        let expand = |word: &String| {
            let name = word.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
            match name.and_then(|name| self.variables.get(name)) {
                Some(value) => owned(&words(value)),
                None => vec![word.clone()],
            }
        };
        entry.arguments = entry.arguments.iter().flat_map(expand).collect();
    }
}

/// A file in `/boot/loader/entries`; `None` if it starts no kernel.
pub(super) fn parse_bls(text: &str) -> Option<BootEntry> {
    let mut entry = BootEntry::default();
    for line in text.lines() {
        match &words(line)[..] {
            ["linux", kernel, ..] => entry.kernel = (*kernel).to_owned(),
            ["initrd", paths @ ..] => entry.initrds.extend(owned(paths)),
            ["options", arguments @ ..] => entry.arguments.extend(owned(arguments)),
            _ => {}
        }
    }
    Some(entry).filter(|entry| !entry.kernel.is_empty())
}

/// GRUB 0.97's and PV-GRUB's menu; the entry that is started first is the first.
pub(super) fn parse_menu(text: &str) -> Vec<BootEntry> {
    let (mut entries, mut titles, mut default) = (Vec::<(usize, BootEntry)>::new(), 0_usize, 0);
    for line in text.lines().map(str::trim) {
        let line = line.replacen('=', " ", usize::from(line.starts_with("default")));
        match &words(&line)[..] {
            ["title", ..] => titles += 1,
            ["default", number, ..] => default = number.parse().unwrap_or(0),
            ["kernel", arguments @ ..] => {
                // Options of the command itself come before the path.
                let skipped = arguments.iter().take_while(|word| word.starts_with("--")).count();
                if let [kernel, arguments @ ..] = &arguments[skipped..] {
                    let (kernel, arguments) = ((*kernel).to_owned(), owned(arguments));
                    let entry = BootEntry { kernel, arguments, ..BootEntry::default() };
                    entries.push((titles.saturating_sub(1), entry));
                }
            }
            ["initrd", paths @ ..] => {
                if let Some((_, entry)) = entries.last_mut() {
                    entry.initrds.extend(owned(paths));
                }
            }
            _ => {}
        }
    }
    entries.sort_by_key(|(number, _)| *number != default);
    entries.into_iter().map(|(_, entry)| entry).collect()
}
