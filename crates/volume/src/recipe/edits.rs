//! Files that the image has otherwise than the source: what names the disk that they are on.

use std::io;

use baler_ext4::Options;
use baler_tree::{FileData, Files, Kind, Meta, NodeId, Time, Tree, resolve};

use super::boot::Choice;
use super::error::RecipeError;
use super::event::{Event, OnEvent};
use super::wishes::{ClassicFstab, Fstab, Recipe};
use crate::fstab::{self, NewRoot};
use crate::grub;
use crate::reader::TreeFiles;
use crate::walk::Walk;

/// Files of configuration are not longer.
const MAX_TEXT: u64 = 1 << 20;

/// The image that the files are edited for.
pub(super) struct Edits<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) boot: &'a Choice,
    pub(super) options: &'a Options,
    /// The type of the file system that the tree comes from, if that is known.
    pub(super) old_fs: Option<&'a str>,
}

impl Edits<'_> {
    /// Makes them, in the tree and in what its files are read from; returns what the root is called in them.
    pub(super) fn apply(
        &self,
        walk: &mut Walk,
        on_event: OnEvent<'_>,
    ) -> Result<NewRoot, RecipeError> {
        let root = self.new_root();
        self.edit_fstab(&root, walk, on_event)?;
        if let Some(menu) = &self.recipe.menu {
            for path in [&b"boot/grub/menu.lst"[..], b"boot/grub/grub.conf"] {
                self.put(walk, path, menu.clone().into_bytes())?;
            }
        }
        if self.boot.is_grub2() {
            self.configure_grub(walk, on_event)?;
        }
        Ok(root)
    }

    /// The names of the new root.
    fn new_root(&self) -> NewRoot {
        let options = self.options;
        let name = format!("UUID={}", options.uuid);
        let label = String::from_utf8_lossy(&options.label);
        let label = (!label.is_empty()).then(|| format!("LABEL={label}"));
        let part_uuid = self.boot.kept_part_uuid().map(|uuid| format!("PARTUUID={uuid}"));
        let names = [name.clone()].into_iter().chain(label).chain(part_uuid).collect();
        let fs_type = if options.has_extents { "ext4" } else { "ext3" };
        NewRoot { name, names, fs_type, keeps_efi: self.boot.keeps_efi() }
    }

    /// Another `fstab`, a new one, or the old one repaired, as that of another type of file system has to be.
    fn edit_fstab(
        &self,
        root: &NewRoot,
        walk: &mut Walk,
        on_event: OnEvent<'_>,
    ) -> Result<(), RecipeError> {
        const PATH: &[u8] = b"etc/fstab";
        let is_other = self.old_fs.is_some_and(|fs_type| !fs_type.starts_with("ext"));
        let old = read(walk, PATH).unwrap_or_default();
        let text = match &self.recipe.fstab {
            Fstab::Replace(text) => text.clone(),
            Fstab::Classic(variant) => classic_fstab(*variant, root),
            Fstab::Generate => fstab::generate(root),
            Fstab::Keep if !is_other => return Ok(()),
            Fstab::Keep | Fstab::Fix => {
                let old = String::from_utf8(old.clone()).map_err(RecipeError::FstabText)?;
                let (text, changes) = fstab::fix(&old, root);
                for change in &changes {
                    on_event(Event::FstabChanged(change)).map_err(RecipeError::Stopped)?;
                }
                text
            }
        };
        if self.recipe.keep_old_fstab && !old.is_empty() {
            self.put(walk, b"etc/fstab.old", old)?;
        }
        self.put(walk, PATH, text.into_bytes())
    }

    /// GRUB 2 in a tree without a configuration gets one.
    fn configure_grub(&self, walk: &mut Walk, on_event: OnEvent<'_>) -> Result<(), RecipeError> {
        let directory = grub::directory(&walk.tree);
        let path = format!("{directory}/grub.cfg");
        if resolve(&walk.tree, path.as_bytes()).is_some() {
            return Ok(());
        }
        let defaults = read(walk, b"etc/default/grub").unwrap_or_default();
        let arguments = grub_arguments(&String::from_utf8_lossy(&defaults));
        let text = grub::configuration(&walk.tree, self.options.uuid, &arguments);
        let Some(text) = text else { return Ok(()) };
        on_event(Event::GrubConfigured(&path)).map_err(RecipeError::Stopped)?;
        self.put(walk, path.as_bytes(), text.into_bytes())
    }

    /// Gives the image a file with this text; directories that are missing are made.
    fn put(&self, walk: &mut Walk, path: &[u8], text: Vec<u8>) -> Result<(), RecipeError> {
        let time = Time { seconds: self.recipe.now as i64, nanos: 0 };
        let data = FileData::dense(text.len() as u64);
        if let Some(node) = resolve(&walk.tree, path)
            && walk.tree.set_file_data(node, data.clone())
        {
            let mut meta = walk.tree.meta(node);
            (meta.mtime, meta.ctime) = (time, time);
            walk.tree.set_meta(node, meta);
            walk.files.set_contents(node, text);
            return Ok(());
        }
        if walk.tree.find(path).is_some() {
            // It is there, and no file: a link that leads nowhere, or something stranger.
            return Err(RecipeError::NotAFile { path: path.to_vec() });
        }
        let failed = |source| RecipeError::Add { path: path.to_vec(), source };
        let mut names: Vec<_> = path.split(|byte| *byte == b'/').collect();
        let name = names.pop().unwrap_or_default();
        let mut directory = Tree::ROOT;
        for part in names {
            let found = walk.tree.child(directory, part);
            directory = match found.map(|found| resolve(&walk.tree, &walk.tree.path(found))) {
                Some(found) => found.ok_or_else(|| failed(None))?,
                None => {
                    let added =
                        walk.tree.add(directory, part, Meta::new(0o755).at(time), Kind::Directory);
                    added.map_err(|error| failed(Some(error)))?
                }
            };
        }
        let node = walk.tree.add(directory, name, Meta::new(0o644).at(time), Kind::File(data));
        walk.files.set_contents(node.map_err(|error| failed(Some(error)))?, text);
        Ok(())
    }
}

/// The `fstab` that `ec2-bundle-vol` generated, but for the root: its name and type are those that it has.
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

/// The arguments that `/etc/default/grub` sets for the kernel's command line.
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
pub(super) fn read(walk: &mut Walk, path: &[u8]) -> Option<Vec<u8>> {
    read_node(&walk.tree, &mut walk.files, resolve(&walk.tree, path)?, MAX_TEXT).ok()
}

/// Reads a file of at most so many bytes.
pub(super) fn read_node(
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
