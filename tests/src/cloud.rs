//! Someone who uses `baler` with an AWS of their own, on this machine.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use baler_standin::{Options, Standin};

use crate::{ACCOUNT, Ran, User, capture, fixture};

/// A user, and a stand-in for AWS whose state lies beside their files.
#[derive(Debug)]
pub struct Cloud {
    /// The one who types.
    pub user: User,
    /// What answers.
    pub aws: Standin,
}

impl Default for Cloud {
    fn default() -> Cloud {
        Cloud::new()
    }
}

impl Cloud {
    /// A user who has just come to a machine with an empty AWS.
    pub fn new() -> Cloud {
        Cloud::with(|_| {})
    }

    /// The same, with other options of the stand-in.
    pub fn with(change: impl FnOnce(&mut Options)) -> Cloud {
        let user = User::new();
        let directory = user.home().with_file_name("aws");
        // A key pair of its own would be made by each stand-in, which takes as long as many a test.
        fs::create_dir(&directory).expect("the stand-in's directory");
        let mut openssl = user.command("openssl");
        openssl.args(["pkey", "-inform", "DER", "-in"]).arg(fixture::key("ec2"));
        capture(openssl.arg("-out").arg(directory.join("ec2-key.pem"))).exits(0);
        let certificate = directory.join("ec2-cert.pem");
        fs::copy(fixture::certificate("ec2"), certificate).expect("EC2's certificate");
        let mut options = Options::new(directory);
        change(&mut options);
        let aws = Standin::start(options).expect("a stand-in for AWS");
        Cloud { user, aws }
    }

    /// A program that they are about to run, with the variables that lead to the stand-in.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.user.command(program);
        command.envs(self.aws.env());
        command
    }

    /// `baler`, about to be run.
    pub fn baler<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(crate::baler_binary());
        command.args(args);
        command
    }

    /// Runs `baler`.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        capture(&mut self.baler(args))
    }

    /// `baler bundle SOURCE DEST`, for the EC2 of the stand-in, about to be run.
    pub fn bundling(&self, source: &str, destination: &str) -> Command {
        let mut command = self.baler(["bundle", "--account", ACCOUNT, "--arch", "x86_64", "--key"]);
        command.arg(fixture::key("user")).arg("--ec2-cert").arg(self.aws.ec2_certificate());
        command.args([source, destination]);
        command
    }

    /// Runs `baler bundle SOURCE DEST` with `more`.
    pub fn bundle(&self, source: &str, destination: &str, more: &[&str]) -> Ran {
        capture(self.bundling(source, destination).args(more))
    }

    /// The root image of an instance that starts from an AMI.
    ///
    /// # Panics
    /// If EC2's stand-in cannot open the bundle.
    pub fn launch(&self, ami: &str) -> PathBuf {
        let path = self.user.path(format!("{ami}.img"));
        self.aws.launch(ami, &path).unwrap_or_else(|error| panic!("launching {ami}: {error}"));
        path
    }
}
