//! Credentials that end, metadata that does not answer, and services that are not there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use baler_standin::{Fault, Role, Rule};
use baler_tests::{Cloud, Ran, fixture};

use crate::small::{bundle, files, objects, run_to_its_end};
use crate::table::{Row, Table, on, row, status};

const SOURCE: &str = "out/disk.manifest.xml";
const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
const TOKEN: &str = "/latest/api/token";
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";

fn cloud() -> Cloud {
    let cloud = Cloud::new();
    bundle(&cloud, "out");
    cloud.run(["copy", SOURCE, "s3://images/whole", "--create-bucket"]).exits(0);
    cloud
}

/// A command with the credentials of the instance's role, and no others.
fn by_role(mut command: Command) -> Command {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] {
        command.env_remove(name);
    }
    command
}

fn copy(cloud: &Cloud, prefix: &str) -> Command {
    let place = format!("s3://images/{prefix}");
    let mut command = by_role(cloud.baler(["copy", SOURCE, &place]));
    command.args(["--attempts", "3", "--timeout", "5"]);
    command
}

/// How often the role's credentials were asked for since there were `before` requests.
fn asked(cloud: &Cloud, before: usize) -> usize {
    let requests = cloud.aws.requests();
    requests[before..]
        .iter()
        .filter(|request| request.path.starts_with(ROLE) && request.path != ROLE)
        .count()
}

#[test]
fn sessions_that_end_are_renewed() {
    let cloud = cloud();
    let mut table = Table::new(&cloud, "copy, by role");
    let rows = [
        row("ExpiredToken, a part", on("PutObject", "disk.part.07", Fault::Expired), 0).tries(2),
        row("ExpiredToken, the manifest", on("PutObject", "disk.manifest", Fault::Expired), 0)
            .tries(2),
        row("ExpiredToken for ever", on("PutObject", "disk.part.07", Fault::Expired).count(0), 4)
            .tries(2)
            .says("new credentials"),
    ];
    for (number, row) in rows.iter().enumerate() {
        let before = cloud.aws.requests().len();
        let prefix = format!("renewed-{number}");
        let ran = table.run(row, &mut copy(&cloud, &prefix));
        table.insist(row, asked(&cloud, before) >= 2, "the credentials were not renewed", &ran);
        let is_whole = objects(&cloud, "images", &prefix) == files(&cloud, "out");
        table.insist(row, is_whole == (ran.code == Some(0)), "another bundle", &ran);
    }
    let expired = row("RequestExpired", on("RegisterImage", "", Fault::Expired), 0).tries(2);
    let register = ["register", "s3://images/whole/disk.manifest.xml", "--name", "by role"];
    let mut command = by_role(cloud.baler(register));
    let before = cloud.aws.requests().len();
    let ran = table.run(&expired, command.args(["--virtualization", "hvm"]));
    table.insist(&expired, asked(&cloud, before) >= 2, "the credentials were not renewed", &ran);
    table.end();
}

/// Insists on no secret being told, of whichever credentials.
fn tells_no_secret(cloud: &Cloud, ran: Ran) -> Ran {
    let role = Role::default();
    [cloud.aws.secret_key(), &role.secret_key, &role.token]
        .into_iter()
        .fold(ran, |ran, secret| ran.does_not_say(secret))
}

#[test]
fn credentials_that_last_seconds_are_asked_for_again() {
    let cloud = cloud();
    let set = |role: Option<Role>| {
        let metadata = baler_standin::Metadata { role, ..cloud.aws.metadata() };
        cloud.aws.set_metadata(metadata);
    };
    let run = |prefix: &str| tells_no_secret(&cloud, run_to_its_end(&mut copy(&cloud, prefix)));
    set(Some(Role { expires_in: 3, ..Role::default() }));
    let before = cloud.aws.requests().len();
    run("seconds").exits(0);
    assert!(asked(&cloud, before) > 1);
    assert!(objects(&cloud, "images", "seconds") == files(&cloud, "out"));
    // They are what the services call expired from the start.
    set(Some(Role { token: "expired".to_owned(), ..Role::default() }));
    run("expired").exits(4).says("ExpiredToken").says("hint: get new credentials");
    assert!(objects(&cloud, "images", "expired").is_empty());
    set(None);
    run("none").exits(1).says("credentials").says("hint: ");
}

#[test]
fn metadata_that_gives_no_credentials() {
    let cloud = cloud();
    let mut table = Table::new(&cloud, "copy, by role");
    let at = |path: &str, fault| Rule::new(fault).path(path);
    let busy = || status(503, "", "");
    let rows = [
        row("metadata 503 once", at(ROLE, busy()), 0),
        row("metadata token 503 once", at(TOKEN, busy()), 0),
        row("metadata reset", at(ROLE, Fault::ResetRequest { after: 0 }).count(0), 1)
            .says("credentials"),
        row("metadata 429 for ever", at(ROLE, status(429, "", "")).count(0), 1).says("credentials"),
        row("metadata 503 for ever", at("/latest/", busy()).count(0), 1).says("credentials"),
    ];
    for (number, row) in rows.iter().enumerate() {
        let prefix = format!("busy-{number}");
        let ran = table.run(row, &mut copy(&cloud, &prefix));
        let is_whole = objects(&cloud, "images", &prefix) == files(&cloud, "out");
        table.insist(row, is_whole == (ran.code == Some(0)), "another bundle", &ran);
    }
    table.end();
    let metadata = baler_standin::Metadata { hang_token: true, ..cloud.aws.metadata() };
    cloud.aws.set_metadata(metadata);
    run_to_its_end(&mut copy(&cloud, "hangs")).exits(1).says("credentials").says("hint: ");
}

/// Bundling asks metadata whose the machine is, and STS if that is not to be had.
#[test]
fn metadata_that_does_not_tell_the_account() {
    let cloud = cloud();
    let mut table = Table::new(&cloud, "bundle, metadata");
    let at = |path: &str, fault| Rule::new(fault).path(path);
    let busy = |status_: u16| status(status_, "", "");
    let told = "from the instance's metadata: account 123456789012";
    let asked = "the credentials belong to the account 123456789012";
    let rows: [(Row, &str); 9] = [
        (row("503 once", at(DOCUMENT, busy(503)), 0).tries(2), told),
        (row("429 once", at(DOCUMENT, busy(429)), 0).tries(2), told),
        (row("a token is refused once", at(DOCUMENT, busy(401)), 0).tries(2), told),
        (row("token: 503 once", at(TOKEN, busy(503)), 0).tries(2), told),
        (row("token: 429 once", at(TOKEN, busy(429)), 0).tries(2), told),
        (row("503 for ever", at(DOCUMENT, busy(503)).count(0), 0), asked),
        (row("token: 503 for ever", at(TOKEN, busy(503)).count(0), 0), asked),
        (row("reset", at(DOCUMENT, Fault::ResetRequest { after: 0 }).count(0), 0), asked),
        (row("cut short", at(DOCUMENT, Fault::Truncate { after: 20 }).count(0), 0), asked),
    ];
    for (number, (row, says)) in rows.iter().enumerate() {
        let ran = table.run(row, &mut bundling(&cloud, &format!("account-{number}")));
        table.insist(row, ran.stderr.contains(says), says, &ran);
    }
    table.end();
    let metadata = baler_standin::Metadata { hang_token: true, ..cloud.aws.metadata() };
    cloud.aws.set_metadata(metadata);
    run_to_its_end(&mut bundling(&cloud, "hangs")).exits(0).says(asked);
    let mut command = bundling(&cloud, "refused");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", closed());
    run_to_its_end(&mut command).exits(0).says(asked);
}

/// Bundling without an account, on what may be an instance.
fn bundling(cloud: &Cloud, prefix: &str) -> Command {
    let mut command = cloud.baler(["bundle", "disk", "--arch", "x86_64", "--key"]);
    command.arg(fixture::key("user")).arg("--ec2-cert").arg(cloud.aws.ec2_certificate());
    command.arg(format!("s3://images/{prefix}")).env_remove("AWS_EC2_METADATA_DISABLED");
    command
}

/// A place where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn services_that_are_not_there() {
    let cloud = cloud();
    // This one takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("http://{}", silent.local_addr().expect("an address"));
    let commands = [
        ["copy", SOURCE, "s3://images/x"].as_slice(),
        &["verify", "s3://images/whole/disk.manifest.xml", "--no-key"],
        &["remove", "--yes", "s3://images/whole/disk.manifest.xml"],
        &["images"],
    ];
    let cloud = &cloud;
    thread::scope(|scope| {
        for (url, args) in
            [closed(), silent_url].iter().flat_map(|url| commands.map(|args| (url.clone(), args)))
        {
            scope.spawn(move || {
                let mut command = cloud.baler(args);
                command.env("AWS_ENDPOINT_URL", &url).args(["--attempts", "2", "--timeout", "1"]);
                let ran = tells_no_secret(cloud, run_to_its_end(&mut command).exits(1));
                ran.says("error: ").says("hint: ").says("trying again").prints_nothing();
            });
        }
    });
}

/// A proxy that lets everything through but the PUT of one part, `count` times: that is taken, and never answered.
fn swallowing(cloud: &Cloud, part: &str, count: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let upstream = cloud.aws.url().replace("http://", "");
    let (part, left) = (format!("/{part}?"), Arc::new(AtomicUsize::new(count)));
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let (upstream, part, left) = (upstream.clone(), part.clone(), left.clone());
            thread::spawn(move || {
                // Whatever breaks here is the end of a connection, and of no interest.
                let _ = forward(client, &upstream, &part, &left);
            });
        }
    });
    url
}

fn forward(
    mut client: TcpStream,
    upstream: &str,
    part: &str,
    left: &AtomicUsize,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut is_swallowed = false;
    let mut bytes = vec![0; 64 << 10];
    loop {
        let len = client.read(&mut bytes)?;
        if len == 0 {
            return Ok(());
        }
        // A client sends a request in writes of its own.
        let line = bytes[..len].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        is_swallowed |= line.starts_with("PUT /")
            && line.contains(part)
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        if !is_swallowed {
            server.write_all(&bytes[..len])?;
        }
    }
}

#[test]
fn an_upload_that_is_never_answered() {
    let cloud = cloud();
    for (count, code) in [(1, 0), (usize::MAX, 1)] {
        let place = format!("s3://images/silent-{code}");
        let mut command = cloud.baler(["copy", SOURCE, &place, "--attempts", "2"]);
        command.args(["--timeout", "2"]);
        command.env("AWS_ENDPOINT_URL", swallowing(&cloud, "disk.part.03", count));
        let ran = run_to_its_end(&mut command).exits(code).says("trying again");
        let ran = ran.says(&format!("PutObject `{place}/disk.part.03`: there is no answer"));
        let there = objects(&cloud, "images", &format!("silent-{code}"));
        match code {
            0 => assert!(there == files(&cloud, "out")),
            _ => {
                ran.says("hint: ");
                assert!(!there.contains_key("disk.manifest.xml"));
            }
        }
    }
}
