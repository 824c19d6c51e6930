//! Files that the image has otherwise than the source: what names the disk that they are on.

use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use baler_ext4::{FileData, Files, Kind, Meta, NodeId, Options, Tree};
use baler_volume::fstab::{self, NewRoot};
use baler_volume::lint::resolve;
use baler_volume::{TreeFiles, Walk, grub};

use super::Request;
use super::args::ClassicFstab;
use super::boot::Choice;
use crate::exit::Trouble;
use crate::report::Console;

/// Files of configuration are not longer.
const MAX_TEXT: u64 = 1 << 20;

/// Makes them, in the tree and in what its files are read from; tells what the root is called in them.
pub(crate) fn apply(
    request: &Request<'_>,
    boot: &Choice,
    options: &Options,
    old_fs: Option<&str>,
    walk: &mut Walk,
    console: &Console,
) -> anyhow::Result<NewRoot> {
    let root = new_root(options, boot);
    edit_fstab(request, &root, old_fs, walk, console)?;
    if let Some(path) = &request.args.classic.menu {
        let menu = read_text(path, "GRUB menu")?;
        for path in [&b"boot/grub/menu.lst"[..], b"boot/grub/grub.conf"] {
            put(walk, path, menu.clone().into_bytes(), 0o644, request.now)?;
        }
    }
    if boot.is_grub2() {
        configure_grub(request, options, walk, console)?;
    }
    Ok(root)
}

/// The names of the new root.
fn new_root(options: &Options, boot: &Choice) -> NewRoot {
    let name = format!("UUID={}", options.uuid);
    let label = String::from_utf8_lossy(&options.label);
    let label = (!label.is_empty()).then(|| format!("LABEL={label}"));
    let part_uuid = boot.kept_part_uuid().map(|uuid| format!("PARTUUID={uuid}"));
    let names = [name.clone()].into_iter().chain(label).chain(part_uuid).collect();
    let fs_type = if options.has_extents { "ext4" } else { "ext3" };
    NewRoot { name, names, fs_type, keeps_efi: boot.keeps_efi() }
}

/// Another `fstab`, a new one, or the old one repaired, as that of another type of file system has to be.
fn edit_fstab(
    request: &Request<'_>,
    root: &NewRoot,
    old_fs: Option<&str>,
    walk: &mut Walk,
    console: &Console,
) -> anyhow::Result<()> {
    const PATH: &[u8] = b"etc/fstab";
    let args = request.args;
    let old = read(walk, PATH).unwrap_or_default();
    let text = if let Some(path) = &args.fstab {
        read_text(path, "fstab")?
    } else if let Some(variant) = args.classic.fstab {
        classic_fstab(variant, root)
    } else if args.generate_fstab {
        fstab::generate(root)
    } else if args.fix_fstab || old_fs.is_some_and(|fs_type| !fs_type.starts_with("ext")) {
        let old =
            String::from_utf8(old.clone()).context("repairing /etc/fstab, which is not UTF-8")?;
        let (text, changes) = fstab::fix(&old, root);
        for change in changes {
            let what = match &change.new {
                Some(new) => format!("`{}` becomes `{new}`", change.old),
                None => format!("`{}` is dropped", change.old),
            };
            console.note(&format!("/etc/fstab: {what}: {}", change.reason));
        }
        text
    } else {
        return Ok(());
    };
    if args.classic.keeps_old_fstab && !old.is_empty() {
        put(walk, b"etc/fstab.old", old, 0o644, request.now)?;
    }
    put(walk, PATH, text.into_bytes(), 0o644, request.now)
}

fn read_text(path: &Path, what: &str) -> anyhow::Result<String> {
    let doing = || Trouble::failed(format!("reading the {what} `{}`", path.display()));
    let mut text = String::new();
    let file = crate::interrupt::open_waiting(path).with_context(doing)?;
    file.take(MAX_TEXT).read_to_string(&mut text).with_context(doing)?;
    Ok(text)
}

/// What `ec2-bundle-vol --generate-fstab` wrote, but for the root: its name and type are those that it has.
fn classic_fstab(variant: ClassicFstab, root: &NewRoot) -> String {
    let (first, fs_type) = (&root.name, root.fs_type);
    let rest = match variant {
        ClassicFstab::I386 => {
            "/dev/sda2 /mnt ext3 defaults,nofail 0 0\n/dev/sda3 swap swap defaults,nofail 0 0\n"
        }
        ClassicFstab::Default => {
            "/dev/sdb /mnt ext3 defaults,nofail 0 0\nnone /dev/pts devpts gid=5,mode=620 0 0\n"
        }
    };
    format!(
        "{first} / {fs_type} defaults 1 1\n{rest}none /proc proc defaults 0 0\nnone /sys sysfs defaults 0 0\n"
    )
}

/// GRUB 2 in a tree without a configuration gets one.
fn configure_grub(
    request: &Request<'_>,
    options: &Options,
    walk: &mut Walk,
    console: &Console,
) -> anyhow::Result<()> {
    let directory = grub::directory(&walk.tree);
    let path = format!("{directory}/grub.cfg");
    if resolve(&walk.tree, path.as_bytes()).is_some() {
        return Ok(());
    }
    let defaults = read(walk, b"etc/default/grub").unwrap_or_default();
    let arguments = grub_arguments(&String::from_utf8_lossy(&defaults));
    let Some(text) = grub::configuration(&walk.tree, options.uuid, &arguments) else {
        return Ok(());
    };
    console
        .note(&format!("/{path} is not there: the image gets one that starts the newest kernel"));
    put(walk, path.as_bytes(), text.into_bytes(), 0o644, request.now)
}

/// What `/etc/default/grub` sets for the kernel's command line.
fn grub_arguments(text: &str) -> String {
    let value = |line: &str| {
        let value = line.trim().strip_prefix("GRUB_CMDLINE_LINUX=")?;
        // As the shell reads it, without running anything: quotes end the value, and so does a comment.
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let value = match quote {
            Some(quote) => value[1..].split(quote).next()?,
            None => value.split_whitespace().next().unwrap_or_default(),
        };
        // What the shell would replace cannot be known here.
        (!value.contains(['$', '`', '"', '\'', ';', '\\'])).then(|| value.to_owned())
    };
    text.lines().rev().find_map(value).unwrap_or_default()
}

/// Reads a small file of the image; `None` if there is none of that name.
pub(crate) fn read(walk: &mut Walk, path: &[u8]) -> Option<Vec<u8>> {
    read_node(&walk.tree, &mut walk.files, resolve(&walk.tree, path)?, MAX_TEXT).ok()
}

/// Reads a file of at most so many bytes.
pub(crate) fn read_node(
    tree: &Tree,
    files: &mut TreeFiles,
    node: NodeId,
    most: u64,
) -> io::Result<Vec<u8>> {
    match tree.kind(node) {
        Kind::File(data) if data.size <= most => {
            let mut bytes = vec![0; data.size as usize];
            files.read_at(tree, node, &mut bytes, 0)?;
            Ok(bytes)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Gives the image a file with this text; directories that are missing are made.
pub(crate) fn put(
    walk: &mut Walk,
    path: &[u8],
    text: Vec<u8>,
    mode: u16,
    now: u64,
) -> anyhow::Result<()> {
    let doing = || format!("adding `/{}` to the image", String::from_utf8_lossy(path));
    let time = baler_ext4::Time { seconds: now as i64, nanos: 0 };
    let (atime, mtime, ctime, crtime) = (time, time, time, time);
    let data = FileData::dense(text.len() as u64);
    if let Some(node) = resolve(&walk.tree, path)
        && walk.tree.set_file_data(node, data.clone())
    {
        let meta = walk.tree.meta(node);
        walk.tree.set_meta(node, Meta { mtime, ctime, ..meta });
        walk.files.set_contents(node, text);
        return Ok(());
    }
    if walk.tree.find(path).is_some() {
        // It is there, and no file: a link that leads nowhere, or something stranger.
        let what = format!(
            "`/{}` in the tree is no file, and leads to none",
            String::from_utf8_lossy(path)
        );
        return Err(Trouble::failed(what)
            .hint("repair it in the tree, or leave the option that replaces it away")
            .into());
    }
    let mut names: Vec<_> = path.split(|byte| *byte == b'/').collect();
    let name = names.pop().with_context(doing)?;
    let mut directory = Tree::ROOT;
    for part in names {
        let found = walk.tree.child(directory, part);
        directory = match found.map(|found| resolve(&walk.tree, &walk.tree.path(found))) {
            Some(found) => found.with_context(doing)?,
            None => {
                let meta = Meta { mode: 0o755, atime, mtime, ctime, crtime, ..Meta::default() };
                walk.tree.add(directory, part, meta, Kind::Directory).with_context(doing)?
            }
        };
    }
    let meta = Meta { mode, atime, mtime, ctime, crtime, ..Meta::default() };
    let node = walk.tree.add(directory, name, meta, Kind::File(data)).with_context(doing)?;
    walk.files.set_contents(node, text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_arguments_are_read_as_the_shell_would() {
        for (line, expected) in [
            ("GRUB_CMDLINE_LINUX=\"a b\"", "a b"),
            ("GRUB_CMDLINE_LINUX='a b' # comment", "a b"),
            ("GRUB_CMDLINE_LINUX=\"a b\" # a \"quoted\" comment", "a b"),
            ("GRUB_CMDLINE_LINUX=a # b", "a"),
            ("GRUB_CMDLINE_LINUX=", ""),
            ("GRUB_CMDLINE_LINUX=\"$OTHER\"", ""),
            ("GRUB_CMDLINE_LINUX_DEFAULT=quiet", ""),
            ("GRUB_CMDLINE_LINUX=one\nGRUB_CMDLINE_LINUX=two", "two"),
        ] {
            assert_eq!(grub_arguments(line), expected, "{line}");
        }
    }
}
