//! The table of faults: what goes wrong, what is run, and how that has to end.

use std::process::Command;
use std::thread;

use baler_standin::{Fault, Role, Rule};
use baler_tests::{Cloud, Ran};

use crate::small::run_to_its_end;

/// The lines of a table mostly wait: so many of them do it at once.
const WORKERS: usize = 4;

/// A line of the table.
pub(crate) struct Row {
    name: &'static str,
    rule: Rule,
    exit: i32,
    says: Vec<&'static str>,
    tries: Option<usize>,
    is_hinted: bool,
}

/// A fault by which a command ends with that code.
pub(crate) fn row(name: &'static str, rule: Rule, exit: i32) -> Row {
    Row { name, rule, exit, says: Vec::new(), tries: None, is_hinted: exit != 0 }
}

impl Row {
    /// What goes wrong.
    pub(crate) fn fault(&self) -> &Fault {
        &self.rule.fault
    }

    /// What has to be on standard error.
    pub(crate) fn says(mut self, text: &'static str) -> Row {
        self.says.push(text);
        self
    }

    /// How often the request is made.
    pub(crate) fn tries(mut self, tries: usize) -> Row {
        self.tries = Some(tries);
        self
    }

    /// Nothing can be done about it but what the message says.
    pub(crate) fn without_hint(mut self) -> Row {
        self.is_hinted = false;
        self
    }
}

/// A table that is being filled in; what is wrong with its lines is told at its end.
pub(crate) struct Table<'a> {
    cloud: &'a Cloud,
    title: &'static str,
    wrong: Vec<String>,
}

impl<'a> Table<'a> {
    /// A table of one command.
    pub(crate) fn new(cloud: &'a Cloud, title: &'static str) -> Table<'a> {
        Table { cloud, title, wrong: Vec::new() }
    }

    /// Lets the fault befall the command; then nothing is faulty any more.
    #[expect(clippy::print_stdout, reason = "the table is what these tests are for")]
    pub(crate) fn run(&mut self, row: &Row, command: &mut Command) -> Ran {
        let aws = &self.cloud.aws;
        let before = aws.requests().len();
        aws.faults(vec![row.rule.clone()]);
        let ran = run_to_its_end(command);
        let fired = aws.fired().len();
        let matches = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| found.contains(wanted.as_str()))
        };
        let requests = aws.requests();
        let tries = requests[before..].iter().filter(|request| {
            matches(&row.rule.contains, &request.path)
                && matches(&row.rule.path, &request.path)
                && row.rule.operation.as_ref().is_none_or(|name| *name == request.operation)
        });
        let tries = tries.count();
        aws.faults(Vec::new());
        let code = ran.code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        println!("{:<26} {:<46} exit {code:>3}, {tries} tries", self.title, row.name);
        self.insist(row, ran.code == Some(row.exit), &format!("not {}", row.exit), &ran);
        self.insist(row, fired > 0, "the fault did not fire", &ran);
        if let Some(wanted) = row.tries {
            self.insist(row, tries == wanted, &format!("{tries} tries, not {wanted}"), &ran);
        }
        for text in &row.says {
            self.insist(row, ran.stderr.contains(text), &format!("not said: {text}"), &ran);
        }
        if row.is_hinted {
            self.insist(row, ran.stderr.contains("hint: "), "no hint", &ran);
        }
        let role = Role::default();
        for secret in [aws.secret_key(), &role.secret_key, &role.token] {
            let is_told = ran.stderr.contains(secret) || ran.text().contains(secret);
            self.insist(row, !is_told, "a secret", &ran);
        }
        ran
    }

    /// Notes what does not hold.
    pub(crate) fn insist(&mut self, row: &Row, holds: bool, what: &str, ran: &Ran) {
        if !holds {
            let Ran { code, signal, stderr, .. } = ran;
            let Table { title, .. } = self;
            let (name, out) = (row.name, ran.text());
            self.wrong.push(format!(
                "{title}, {name}: {what}\n  code {code:?}, signal {signal:?}\n{out}{stderr}"
            ));
        }
    }

    /// Insists on all lines having been right.
    #[track_caller]
    pub(crate) fn end(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// Fills in a table, some lines at a time, each with a user and a stand-in that no other line disturbs meanwhile.
pub(crate) fn each(
    title: &'static str,
    rows: &[Row],
    cloud: impl Fn() -> Cloud + Sync,
    check: impl Fn(&Cloud, &mut Table, usize, &Row) + Sync,
) {
    let work = |worker| {
        let cloud = cloud();
        let mut table = Table::new(&cloud, title);
        for (number, row) in rows.iter().enumerate().skip(worker).step_by(WORKERS) {
            check(&cloud, &mut table, number, row);
        }
        table.wrong
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let work = &work;
        let start = |worker| scope.spawn(move || work(worker));
        let workers: Vec<_> = (0..WORKERS.min(rows.len())).map(start).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A request for this operation whose path has `part` in it.
pub(crate) fn on(operation: &str, part: &str, fault: Fault) -> Rule {
    Rule::new(fault).operation(operation).contains(part)
}

/// The service's answer is this one.
pub(crate) fn status(status: u16, code: &str, message: &str) -> Fault {
    answer(status, code, message, &[])
}

/// The same with headers.
pub(crate) fn answer(status: u16, code: &str, message: &str, headers: &[(&str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let (code, message) = (code.to_owned(), message.to_owned());
    Fault::Status { status, code, message, headers: headers.collect(), body: None }
}

/// The service's answer is a body of this text.
pub(crate) fn text(status: u16, body: &str) -> Fault {
    let (code, message, body) = (String::new(), String::new(), Some(body.to_owned()));
    Fault::Status { status, code, message, headers: Vec::new(), body }
}

/// Says that it works, and sends an error.
pub(crate) fn error_in_200() -> Fault {
    text(
        200,
        "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>",
    )
}
