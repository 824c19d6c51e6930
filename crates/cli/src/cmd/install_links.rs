//! `baler install-links`: the classic commands' names, as links to baler.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::Context;
use baler::text::count;
use serde_json::json;

use crate::classic;
use crate::codes::Exit;
use crate::environment::own_program;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Make links to baler with the names of the old tools
///
/// `baler help classic` lists them. Links of an earlier installation are replaced; other files of these names are not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory, such as /usr/local/bin
    directory: PathBuf,

    /// Replace other files of these names too
    #[arg(long, short)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let (own, typed) = own_program();
        // Without /proc, as in a bare chroot, it is known only as it was typed.
        let own = own.or_else(|_| typed.canonicalize());
        let own = own.and_then(|own| own.canonicalize());
        let own = own.context(
            Trouble::failed("looking for baler itself").hint("run it with its full path"),
        )?;
        if !self.directory.is_dir() {
            let what = format!("`{}` is not a directory", self.directory.display());
            return Err(Trouble::usage(what)
                .hint("name an existing directory, such as /usr/local/bin")
                .into());
        }
        let names = || classic::COMMANDS.iter().flat_map(|command| command.names());
        let paths: Vec<_> = names().map(|name| self.directory.join(name)).collect();
        // Nothing is done if not all of it can be.
        for path in paths.iter().filter(|_| !self.force) {
            let is_own = path.canonicalize().is_ok_and(|found| found == own);
            let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
            let leads_to_baler =
                fs::read_link(path).is_ok_and(|to| to.file_name() == own.file_name());
            if path.symlink_metadata().is_ok() && !(is_link && (is_own || leads_to_baler)) {
                let what = format!("`{}` exists, and is not a link to baler", path.display());
                return Err(Trouble::failed(what)
                    .hint("pass --force to replace it, or name another directory")
                    .into());
            }
        }
        for path in &paths {
            let making = || format!("making the link `{}`", path.display());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let new = self.directory.join(format!(".{name}.{}.partial", std::process::id()));
            symlink(&own, &new).with_context(making)?;
            fs::rename(&new, path)
                .inspect_err(|_| drop(fs::remove_file(&new)))
                .with_context(making)?;
        }
        face.console.note(&format!("made {} to `{}`", count(paths.len(), "link"), own.display()));
        if self.json {
            let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
            report::json(&json!({ "links": paths, "target": own.to_string_lossy() }))?;
        } else {
            paths.iter().try_for_each(|path| report::path(path))?;
        }
        Ok(Exit::Done)
    }
}
