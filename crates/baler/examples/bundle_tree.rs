//! A root tree becomes a bundle in a directory:
//!
//!     cargo run -p baler --example bundle_tree -- ROOT DIR KEY ACCOUNT
//!
//! Prints the manifest's place. KEY is your RSA private key, PEM; `baler::keys::create` makes one.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example prints.

use std::path::PathBuf;

use baler::{BundleJob, Event, Keys, Place, Run, Severity};
use baler_volume::Recipe;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [root, directory, key, account] = &args[..] else {
        return Err("usage: bundle_tree ROOT DIR KEY ACCOUNT".into());
    };

    // What happens comes as values; `Display` words them.
    let run = Run::new(|event: Event<'_>| {
        if event.severity() >= Some(Severity::Note) {
            eprintln!("{event}");
        }
    });

    let mut job =
        BundleJob::new(PathBuf::from(root), Place::from(PathBuf::from(directory)), "tree");
    job.recipe = Some(Recipe::new(root));
    job.keys = Keys::of_file(key);
    job.provenance.account = Some(account.clone());
    job.provenance.architecture = Some("x86_64".to_owned());
    job.length = Some(256 << 20);

    let made = job.run(&run)?;
    println!("{}", made.place);
    Ok(())
}
