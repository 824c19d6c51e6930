//! A bundle in a directory goes to S3 and becomes an AMI.
//!
//!     cargo run -p baler --example register -- MANIFEST s3://BUCKET/PREFIX NAME KEY
//!
//! Credentials, region and endpoint are found as AWS's own tools find them. Prints the AMI's id. What is there already is
//! neither sent nor registered again.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example prints.

use std::ffi::OsStr;

use baler::{Bundle, CopyJob, Keys, Place, RegisterJob, Run, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [manifest, destination, name, key] = &args[..] else {
        return Err("usage: register MANIFEST s3://BUCKET/PREFIX NAME KEY".into());
    };
    let run = Run::default().with_aws(Settings::new());
    let bundle = Bundle::read(&Place::parse(OsStr::new(manifest))?, &run)?;

    let mut copy = CopyJob::new(Place::parse(OsStr::new(destination))?);
    copy.bucket.create = true;
    let copied = copy.run(&bundle, &run)?;
    eprintln!("{} bytes sent, {} were there already", copied.sent, copied.kept);

    let mut register = RegisterJob::new(name.parse()?);
    register.keys = Keys::of_file(key);
    let there = copy.destination.join(bundle.filename()?);
    let registered = register.run(&there, &run)?;
    println!("{}", registered.ami.ok_or("nothing was registered")?);
    Ok(())
}
