//! A bundle becomes an AMI, and there is never a second one.

use baler_standin::{Fault, Rule};
use baler_tests::{Cloud, fixture, run};

use crate::small::{bundle, run_to_its_end};
use crate::table::{Row, Table, answer, each, on, row, status};

const BUNDLE: &str = "s3://images/whole/disk.manifest.xml";

/// A user with a bundle in S3 and an EC2 where images take a while to be seen.
fn cloud(delay_visibility: u32) -> Cloud {
    let cloud = Cloud::with(|options| {
        options.pending = 0;
        options.delay_visibility = delay_visibility;
    });
    bundle(&cloud, "out");
    cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole", "--create-bucket"]).exits(0);
    cloud
}

fn throttled() -> Fault {
    status(503, "RequestLimitExceeded", "Request limit exceeded.")
}

/// Registers the bundle under a name for each row; in the end there is one AMI of the name, or none.
fn register(rows: &[Row], title: &'static str, delay_visibility: u32, more: &[&str]) {
    each(
        title,
        rows,
        || cloud(delay_visibility),
        |cloud, table, number, row| {
            let name = format!("image {number}");
            let mut command = cloud.baler(["register", BUNDLE, "--name", &name]);
            command.args(["--virtualization", "hvm", "--timeout", "10"]).args(more);
            let ran = table.run(row, &mut command);
            // What was registered a moment ago is not shown by the first answers.
            let found = (0..=delay_visibility).map(|_| images(cloud, &name, "us-east-1")).max();
            if ran.code == Some(0) {
                table.insist(row, ran.text().starts_with("ami-"), "no AMI's id", &ran);
                table.insist(row, found == Some(1), &format!("{found:?} images"), &ran);
            } else {
                table.insist(row, found == Some(0), &format!("{found:?} images"), &ran);
                table.insist(row, ran.stderr.contains(&name), "the name is not told", &ran);
            }
        },
    );
}

/// How many images of that name there are.
fn images(cloud: &Cloud, name: &str, region: &str) -> usize {
    let listed = cloud.run(["images", "--json", "--region", region]).exits(0).json();
    let images = listed.as_array().expect("a list");
    images.iter().filter(|image| image["name"] == name).count()
}

#[test]
fn the_registration() {
    let register_image = |fault| on("RegisterImage", "", fault);
    let describe = |fault| on("DescribeImages", "", fault);
    // Further off than the client takes for chance, and less than the stand-in minds: its own clock is right.
    let form = ["LC_ALL=C", "date", "-u", "-d", "270 seconds ago", "+%a, %d %b %Y %T GMT"];
    let earlier = run("env", form).text();
    let wrong_clock = answer(401, "AuthFailure", "No.", &[("date", earlier.trim())]);
    let no = |code: &str| register_image(status(403, code, "No.")).count(0);
    let rows = [
        row("RequestLimitExceeded once", register_image(throttled()), 0).tries(2),
        row("RequestLimitExceeded, DescribeImages", describe(throttled()), 0).tries(2),
        row("503, a page, DescribeImages", describe(Fault::Html), 0).tries(2),
        row("answer cut short, DescribeImages", describe(Fault::Truncate { after: 40 }), 0)
            .tries(2),
        row("reset, DescribeImages", describe(Fault::ResetRequest { after: 0 }), 0).tries(2),
        // It is found, and not registered again.
        row("reply lost", register_image(Fault::DropReply), 0).tries(1).says("checking whether"),
        row("reply cut short", register_image(Fault::Truncate { after: 40 }), 0).tries(1),
        row("reply reset", register_image(Fault::ResetReply { after: 40 }), 0).tries(1),
        row("AuthFailure, and another time", register_image(wrong_clock), 0)
            .tries(2)
            .says("clock is"),
        row("RequestLimitExceeded for ever", register_image(throttled()).count(0), 4)
            .tries(3)
            .says("RequestLimitExceeded"),
        row("RequestLimitExceeded, DescribeImages, for ever", describe(throttled()).count(0), 4)
            .tries(3)
            .says("DescribeImages"),
        row(
            "reset for ever, DescribeImages",
            describe(Fault::ResetRequest { after: 0 }).count(0),
            1,
        )
        .tries(3)
        .says("DescribeImages"),
        row("RequestExpired", register_image(Fault::Expired).count(0), 4).tries(1),
        row("UnauthorizedOperation", no("UnauthorizedOperation"), 4)
            .tries(1)
            .says("ec2:RegisterImage"),
        row("AuthFailure", no("AuthFailure"), 4).tries(1),
        row("InvalidManifest", register_image(status(400, "InvalidManifest", "No.")), 4)
            .tries(1)
            .says("InvalidManifest"),
        row("InvalidAMIName.Malformed", no("InvalidAMIName.Malformed"), 4).tries(1),
        row("a new code", no("NewCode"), 4).tries(1).says("NewCode").without_hint(),
    ];
    register(&rows, "register", 0, &["--attempts", "3"]);
}

/// What was sent and not answered may have been done: some seconds are waited before it is sent again.
#[test]
fn the_registration_that_never_came() {
    let register_image = |fault| on("RegisterImage", "", fault);
    let reset = || Fault::ResetRequest { after: 0 };
    let rows = [
        row("reset once", register_image(reset()), 0).tries(2),
        row("502, a page, once", register_image(Fault::Html), 0).tries(2),
        // Twice the wait for nothing.
        row("reset for ever, two attempts", register_image(reset()).count(0), 1)
            .tries(2)
            .says("whether `image 2` was registered is not known"),
    ];
    register(&rows, "register, never done", 0, &["--attempts", "2"]);
}

#[test]
fn an_image_that_is_not_seen_at_once() {
    let register_image = |fault| on("RegisterImage", "", fault);
    let rows = [row("reply lost", register_image(Fault::DropReply), 0).tries(1)];
    register(&rows, "register, late to be seen", 2, &["--attempts", "3"]);
    let throttled = register_image(throttled());
    let rows = [row("throttled, and --wait", throttled, 0).tries(2).says("not visible yet")];
    register(&rows, "register, late to be seen", 1, &["--attempts", "3", "--wait"]);
}

#[test]
fn the_rest_of_its_life() {
    let cloud = cloud(0);
    let register = ["register", BUNDLE, "--name", "web", "--virtualization", "hvm"];
    let ami = cloud.run(register).exits(0).text();
    let ami = ami.trim();
    let mut table = Table::new(&cloud, "share");
    let modify = |fault| on("ModifyImageAttribute", "", fault);
    let share = || {
        let mut command = cloud.baler(["share", ami, "--account", "111122223333"]);
        command.args(["--attempts", "3", "--timeout", "10"]);
        command
    };
    for row in [
        row("reply lost", modify(Fault::DropReply), 0).tries(2),
        row("RequestLimitExceeded", modify(throttled()), 0).tries(2),
        row("502, a page", modify(Fault::Html), 0).tries(2),
        row("UnauthorizedOperation", modify(status(403, "UnauthorizedOperation", "")), 4).tries(1),
    ] {
        let ran = table.run(&row, &mut share());
        let is_shared = ran.code != Some(0) || ran.text() == "111122223333\n";
        table.insist(&row, is_shared, "not shared", &ran);
    }
    table.end();
    let mut table = Table::new(&cloud, "copy-image");
    let copy = |fault: Fault| Rule::new(fault).operation("CopyImage");
    for (number, row) in [
        row("reply lost", copy(Fault::DropReply), 0).tries(2),
        row("RequestLimitExceeded", copy(throttled()), 0).tries(2),
        row("reset", copy(Fault::ResetRequest { after: 0 }), 0).tries(2),
        row("UnauthorizedOperation", copy(status(403, "UnauthorizedOperation", "")), 4).tries(1),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("copy {number}");
        let mut command = cloud.baler(["copy-image", ami, "--to", "eu-west-1", "--name", &name]);
        let ran = table.run(row, command.args(["--attempts", "3", "--timeout", "10"]));
        let found = images(&cloud, &name, "eu-west-1");
        table.insist(row, found == usize::from(ran.code == Some(0)), "other copies", &ran);
    }
    table.end();
    let mut table = Table::new(&cloud, "deregister");
    let deregister = |fault| on("DeregisterImage", "", fault);
    for row in [
        row("UnauthorizedOperation", deregister(status(403, "UnauthorizedOperation", "")), 4)
            .tries(1),
        row("RequestLimitExceeded for ever", deregister(throttled()).count(0), 4).tries(3),
        row("reply lost", deregister(Fault::DropReply), 0).tries(2),
    ] {
        let mut command = cloud.baler(["deregister", ami]);
        let ran = table.run(&row, command.args(["--attempts", "3", "--timeout", "10"]));
        let is_left = images(&cloud, "web", "us-east-1") == 1;
        table.insist(&row, is_left == (ran.code != Some(0)), "another outcome", &ran);
    }
    table.end();
    let key = fixture::key("user");
    run_to_its_end(cloud.baler(["verify", BUNDLE, "--key"]).arg(key)).exits(0);
}
