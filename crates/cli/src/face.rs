//! What both faces begin with: the console, the environment, and the token that a signal sets.

use std::sync::OnceLock;

use baler::{Environment as LibraryEnvironment, Run, Stop};

#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
use crate::environment::Environment;
use crate::report::Console;
use crate::signals;

/// A face of the program, from the first word to the exit code.
pub(crate) struct Face {
    pub(crate) console: Console,
    pub(crate) environment: Environment,
    pub(crate) stop: Stop,
    run: OnceLock<Run>,
}

impl Face {
    pub(crate) fn new(console: Console) -> Face {
        Face { console, environment: Environment::read(), stop: Stop::new(), run: OnceLock::new() }
    }

    /// Takes signals as requests to stop.
    pub(crate) fn watch(&self) -> anyhow::Result<()> {
        signals::watch(&self.stop)
    }

    /// The run of the library's jobs, whose events go to the console.
    pub(crate) fn run(&self) -> Run {
        self.run.get_or_init(|| self.new_run()).clone()
    }

    fn new_run(&self) -> Run {
        let console = self.console.clone();
        let environment: LibraryEnvironment = self.environment.library.clone();
        let mut run = Run::new(move |event| console.event(&event)).with_environment(environment);
        run.stop = self.stop.clone();
        run
    }

    /// The same with this way to AWS.
    #[cfg(feature = "aws")]
    pub(crate) fn run_on(&self, aws: &AwsArgs) -> Run {
        self.run().with_aws(aws.settings())
    }
}
