//! A boot chain put together from the GRUB 2 that is in a tree.
//!
//! Its first sector is `boot.img`, its core image is made by GRUB's own `grub-mkimage`: the one program that is needed,
//! and only where there is no disk to take a boot chain from. The offsets are those of GRUB's `boot.h`.

use std::io::Write;
use std::path::{Path, PathBuf};

use baler_tree::Tree;
use uuid::Uuid;

use crate::table::SECTOR;
use crate::tool::{self, ToolError};

/// A boot sector and a core image that finds `/boot/grub` by the file system's UUID.
#[derive(Debug)]
#[non_exhaustive]
pub struct Core {
    boot: Vec<u8>,
    core: Vec<u8>,
    /// The directory whose modules are in it.
    pub modules: PathBuf,
}

/// Why none can be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrubError {
    /// The tree has no GRUB 2 for BIOS.
    #[error("the tree has no GRUB 2 for BIOS: there is no `boot.img` in any of {}", MODULES.join(", "))]
    NoModules,
    /// The machine has no `grub-mkimage`.
    #[error(
        "this machine has no `grub-mkimage`, which puts GRUB's core image together (packages: grub-common, grub2-tools)"
    )]
    NoTool,
    /// A file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `grub-mkimage` failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The core image cannot be used: it has this length in bytes.
    #[error("the core image has {0} bytes, which is none or more than there is room for")]
    Size(usize),
}

/// Where a tree has GRUB's modules: where the package puts them, and where they were installed to.
const MODULES: [&str; 4] =
    ["usr/lib/grub/i386-pc", "usr/share/grub2/i386-pc", "boot/grub/i386-pc", "boot/grub2/i386-pc"];

/// What the core image cannot do without, and what it has if it is there: what the configurations of distributions use.
const NEEDED: [&str; 5] = ["biosdisk", "ext2", "search_fs_uuid", "normal", "linux"];
const WANTED: [&str; 26] = [
    "part_msdos",
    "part_gpt",
    "configfile",
    "search",
    "search_label",
    "search_fs_file",
    "echo",
    "test",
    "true",
    "ls",
    "cat",
    "boot",
    "minicmd",
    "halt",
    "reboot",
    "gzio",
    "loadenv",
    "sleep",
    "terminal",
    "serial",
    "regexp",
    "linux16",
    "blscfg",
    "increment",
    "all_video",
    "gettext",
];

/// GRUB's limit (`setup.c`), less than what lies before the first partition.
const MAX_CORE: usize = 0x78000 - 0x9000;

impl Core {
    /// Puts one together for the tree at `root`. What `grub-mkimage` reads and writes is in `temporary` meanwhile.
    ///
    /// # Errors
    /// GRUB or `grub-mkimage` is missing, or failed.
    pub fn build(
        root: &Path,
        tree: &Tree,
        uuid: Uuid,
        temporary: &Path,
    ) -> Result<Core, GrubError> {
        let modules = MODULES
            .map(|directory| root.join(directory))
            .into_iter()
            .find(|directory| directory.join("boot.img").is_file() && is_inside(directory, root));
        let modules = modules.ok_or(GrubError::NoModules)?;
        let mkimage = tool::find(&["grub-mkimage", "grub2-mkimage"]).ok_or(GrubError::NoTool)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| GrubError::File { path, source }
        };
        let boot_path = modules.join("boot.img");
        let boot = std::fs::read(&boot_path).map_err(failed(&boot_path))?;
        let directory = directory(tree);
        let mut config = tempfile::NamedTempFile::new_in(temporary).map_err(failed(temporary))?;
        let text = format!("search.fs_uuid {uuid} root\nset prefix=($root)/{directory}\n");
        config.write_all(text.as_bytes()).map_err(failed(config.path()))?;
        let is_there = |module: &&str| modules.join(format!("{module}.mod")).is_file();
        let mut args: Vec<PathBuf> = ["-O", "i386-pc", "-d"].map(PathBuf::from).to_vec();
        args.push(modules.clone());
        args.extend(["-p", &format!("/{directory}"), "-c"].map(PathBuf::from));
        args.push(config.path().to_owned());
        args.extend(
            NEEDED.iter().copied().chain(WANTED.into_iter().filter(is_there)).map(PathBuf::from),
        );
        // It syncs what it writes, which a pipe cannot do.
        let output = tempfile::NamedTempFile::new_in(temporary).map_err(failed(temporary))?;
        args.extend([PathBuf::from("-o"), output.path().to_owned()]);
        tool::run("making GRUB's core image", &mkimage, &args)?;
        let core = std::fs::read(output.path()).map_err(failed(output.path()))?;
        if core.len() < 2 * SECTOR as usize
            || core.len() > MAX_CORE
            || boot.len() != SECTOR as usize
        {
            return Err(GrubError::Size(core.len()));
        }
        Ok(Core { boot, core, modules })
    }

    /// One that does not boot.
    #[cfg(test)]
    pub(crate) fn of(boot: Vec<u8>, core: Vec<u8>) -> Core {
        Core { boot, core, modules: PathBuf::from("modules") }
    }

    /// The code of the first sector, and the core image in whole sectors, for a core image that begins at `sector`.
    pub(crate) fn placed_at(&self, sector: u64) -> (Vec<u8>, Vec<u8>) {
        let mut code = self.boot[..440].to_vec();
        code[0x5c..0x64].copy_from_slice(&sector.to_le_bytes());
        let mut core = self.core.clone();
        core.resize(core.len().next_multiple_of(SECTOR as usize), 0);
        core[0x1f4..0x1fc].copy_from_slice(&(sector + 1).to_le_bytes());
        (code, core)
    }
}

/// Returns whether a directory and all that is in it lie in the tree: a link may lead out of it, to other people's files.
fn is_inside(directory: &Path, root: &Path) -> bool {
    let Ok(root) = root.canonicalize() else { return false };
    let lies_inside = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(&root));
    let Ok(mut entries) = directory.read_dir() else { return false };
    lies_inside(directory)
        && entries.all(|entry| {
            entry.is_ok_and(|entry| {
                let is_link = entry.file_type().is_ok_and(|found| found.is_symlink());
                !is_link || lies_inside(&entry.path())
            })
        })
}

/// The directory of GRUB's configuration, by what the tree has.
pub fn directory(tree: &Tree) -> &'static str {
    let has_new = tree.find(b"boot/grub2").is_some() && tree.find(b"boot/grub/grub.cfg").is_none();
    if has_new { "boot/grub2" } else { "boot/grub" }
}

/// A configuration for a tree that has none: it starts the newest kernel.
///
/// `None` if there is no kernel.
pub fn configuration(tree: &Tree, uuid: Uuid, arguments: &str) -> Option<String> {
    let boot = tree.find(b"boot")?;
    let names: Vec<_> =
        tree.entries(boot).filter_map(|(name, _)| str::from_utf8(name).ok()).collect();
    let version = |name: &&str| name.strip_prefix("vmlinuz-").map(str::to_owned);
    let newest = names.iter().filter_map(version).max_by_key(|version| sortable(version))?;
    let initrd = [
        format!("initrd.img-{newest}"),
        format!("initramfs-{newest}.img"),
        format!("initrd-{newest}"),
    ];
    let initrd = initrd.iter().find(|name| names.contains(&name.as_str()));
    let initrd = initrd.map_or_else(String::new, |name| format!("initrd /boot/{name}\n"));
    let arguments = if arguments.contains("console=") {
        arguments.to_owned()
    } else {
        format!("console=tty0 console=ttyS0,115200n8 {arguments}")
    };
    Some(format!(
        "# Written by baler, because there was no configuration.\n\
         search --no-floppy --fs-uuid --set=root {uuid}\n\
         linux /boot/vmlinuz-{newest} root=UUID={uuid} ro {}\n{initrd}boot\n",
        arguments.trim()
    ))
}

/// Versions in an order in which 10 follows 9.
pub(crate) fn sortable(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(|c: char| !c.is_ascii_alphanumeric());
    parts.map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
}
