//! `compare ONE OTHER [--except PATH]...`: says in what two trees are not the same; exit code 1 if in anything.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use baler_tests::compare::compare;

fn main() -> io::Result<ExitCode> {
    let mut paths: [Vec<PathBuf>; 2] = Default::default();
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg == "--except" {
            true => paths[1].extend(args.next().map(PathBuf::from)),
            false => paths[0].push(arg.into()),
        }
    }
    let [trees, except] = &paths;
    let [one, other] = &trees[..] else {
        writeln!(io::stderr(), "compare ONE OTHER [--except PATH]...")?;
        return Ok(ExitCode::from(2));
    };
    let except: Vec<&Path> = except.iter().map(PathBuf::as_path).collect();
    let differences = compare(one, other, &except);
    let mut out = BufWriter::new(io::stdout());
    for difference in &differences {
        writeln!(out, "{difference}")?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}
