//! An old bundle becomes an image: those of the Ruby EC2 AMI tools and of euca2ools, from 2006 on.
//!
//!     cargo run -p baler --example old_bundle -- MANIFEST KEY IMAGE

#![allow(clippy::print_stdout)] // An example prints.

use std::path::PathBuf;

use baler::{Bundle, ImagePlace, Keys, Place, Run, UnbundleJob};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [manifest, key, image] = &args[..] else {
        return Err("usage: old_bundle MANIFEST KEY IMAGE".into());
    };
    let run = Run::default();
    let bundle = Bundle::read(&Place::from(manifest.clone()), &run)?;
    let job = UnbundleJob::new(ImagePlace::from(image.clone()), Keys::of_file(key));
    let done = job.run(&bundle, &run)?;
    println!("{}: {} bytes, signature {}", image.display(), done.size, done.trust.word());
    Ok(())
}
