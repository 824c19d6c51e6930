//! A bundle is verified: its signature, its parts, and the image in them.
//!
//!     cargo run -p baler --example verify -- MANIFEST KEY
//!
//! Exits with 1 if something is wrong, and names it.

#![allow(clippy::print_stdout)] // An example prints.

use std::path::PathBuf;

use baler::{Bundle, Keys, Place, Run, VerifyJob};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [manifest, key] = &args[..] else {
        return Err("usage: verify MANIFEST KEY".into());
    };

    let run = Run::default();
    let bundle = Bundle::read(&Place::from(PathBuf::from(manifest)), &run)?;
    let verified = VerifyJob::new(Keys::of_file(key)).run(&bundle, &run)?;

    println!("signature: {}", verified.trust.word());
    println!("parts: {} of {} wrong", verified.found.parts.len(), bundle.contents().parts.len());
    for error in &verified.found.parts {
        println!("  {}", baler::text::chain(error));
    }
    // A bundle that does not verify is an error, with advice that the caller words.
    if let Err(error) = verified.check(&bundle) {
        return Err(format!("{error}; advice: {:?}", error.advice()).into());
    }
    Ok(())
}
