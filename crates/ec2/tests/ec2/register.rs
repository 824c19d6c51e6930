//! Registration: asked before, never made twice, waited for.

use std::time::Duration;

use baler_ec2::{BootMode, ErrorKind, Event, Location, Registered, Registration, Virtualization};

use crate::server::*;

const AMI: &str = "ami-0123456789abcdef0";
const NAME: &str = "web (2026)";
const LOCATION: &str = "bucket/dir/web.manifest.xml";

fn wanted() -> Registration {
    let name = NAME.parse().expect("a name");
    let location = Location::of_manifest(LOCATION).expect("a location");
    Registration::new(name, location, Virtualization::Hvm)
}

fn ours() -> Reply {
    described(&[(AMI, NAME, LOCATION, "available")])
}

fn made() -> Reply {
    answer("RegisterImage", &format!("<imageId>{AMI}</imageId>"))
}

/// Registers against these answers, and says what came of it and which requests were sent.
async fn register(
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<Registered, baler_ec2::Error>, Vec<String>) {
    let server = Server::giving(replies);
    let result = server.ec2().register(&wanted(), &ignore).await;
    (result, server.actions())
}

#[tokio::test]
async fn everything_is_said() {
    let server = Server::giving([described(&[]), made()]);
    let mut wanted = wanted();
    wanted.description = Some("for the web".to_owned());
    wanted.architecture = Some("x86_64".to_owned());
    wanted.root_device = Some("/dev/xvda".parse().expect("a device"));
    wanted.mappings =
        ["/dev/sdb=ephemeral0", "sdc=none"].map(|text| text.parse().expect(text)).to_vec();
    (wanted.ena, wanted.sriov, wanted.imds_v2) = (true, true, true);
    wanted.boot_mode = Some(BootMode::LegacyBios);
    wanted.tags = vec![("team".to_owned(), "a&b".to_owned())];
    let registered = server.ec2().register(&wanted, &ignore).await.expect("an AMI");
    assert_eq!(registered, Registered::New(AMI.parse().expect("an id")));
    let form = server.asked()[1].form();
    let expected = [
        ("Action", "RegisterImage"),
        ("Version", "2016-11-15"),
        ("Name", NAME),
        ("ImageLocation", LOCATION),
        ("Description", "for the web"),
        ("Architecture", "x86_64"),
        ("VirtualizationType", "hvm"),
        ("RootDeviceName", "/dev/xvda"),
        ("EnaSupport", "true"),
        ("SriovNetSupport", "simple"),
        ("ImdsSupport", "v2.0"),
        ("BootMode", "legacy-bios"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
        ("BlockDeviceMapping.1.VirtualName", "ephemeral0"),
        ("BlockDeviceMapping.2.DeviceName", "sdc"),
        ("BlockDeviceMapping.2.NoDevice", ""),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "team"),
        ("TagSpecification.1.Tag.1.Value", "a&b"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form, expected.into_iter().collect());
}

fn of_volumes() -> Registration {
    let texts = ["/dev/sda1=snap-0123456789abcdef0:8:false:io1:1000", "sdf=:100"];
    let volumes = texts.map(|text| text.parse().expect(text)).to_vec();
    let (name, root) = (NAME.parse().expect("a name"), "/dev/sda1".parse().expect("a device"));
    let mut wanted = Registration::of_volumes(name, root, volumes, Virtualization::Hvm);
    wanted.mappings = vec!["sdb=ephemeral0".parse().expect("a mapping")];
    wanted
}

#[tokio::test]
async fn volumes_are_registered_behind_their_devices() {
    let server = Server::giving([described(&[]), made()]);
    let registered = server.ec2().register(&of_volumes(), &ignore).await.expect("an AMI");
    assert_eq!(registered, Registered::New(AMI.parse().expect("an id")));
    let expected = [
        ("Action", "RegisterImage"),
        ("Version", "2016-11-15"),
        ("Name", NAME),
        ("VirtualizationType", "hvm"),
        ("RootDeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.DeviceName", "sdb"),
        ("BlockDeviceMapping.1.VirtualName", "ephemeral0"),
        ("BlockDeviceMapping.2.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.2.Ebs.SnapshotId", "snap-0123456789abcdef0"),
        ("BlockDeviceMapping.2.Ebs.VolumeSize", "8"),
        ("BlockDeviceMapping.2.Ebs.DeleteOnTermination", "false"),
        ("BlockDeviceMapping.2.Ebs.VolumeType", "io1"),
        ("BlockDeviceMapping.2.Ebs.Iops", "1000"),
        ("BlockDeviceMapping.3.DeviceName", "sdf"),
        ("BlockDeviceMapping.3.Ebs.VolumeSize", "100"),
        ("BlockDeviceMapping.3.Ebs.DeleteOnTermination", "true"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(server.asked()[1].form(), expected.into_iter().collect());
}

#[tokio::test]
async fn volumes_are_the_same_image_if_the_root_is() {
    for (snapshot, is_same) in [("snap-0123456789abcdef0", true), ("snap-01234567", false)] {
        let item = format!(
            "<imagesSet><item><imageId>{AMI}</imageId><name>{NAME}</name><blockDeviceMapping><item>
             <deviceName>/dev/sda1</deviceName><ebs><snapshotId>{snapshot}</snapshotId></ebs></item>
             </blockDeviceMapping></item></imagesSet>"
        );
        let server = Server::giving([answer("DescribeImages", &item)]);
        match server.ec2().register(&of_volumes(), &ignore).await {
            Ok(registered) => {
                let already = Registered::Already(AMI.parse().expect("an id"));
                assert!(is_same && registered == already, "{snapshot}");
            }
            Err(error) => {
                let is_taken = matches!(error.kind, ErrorKind::NameTaken { .. });
                assert!(!is_same && is_taken, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_image_is_not_registered_twice() {
    let (result, actions) = register([ours()]).await;
    assert_eq!(result.expect("an AMI"), Registered::Already(AMI.parse().expect("an id")));
    assert_eq!(actions, ["DescribeImages"]);
}

#[tokio::test]
async fn a_name_that_another_image_has_is_told_with_it() {
    for (location, says) in [("other/m.xml", "`other/m.xml`"), ("", "no manifest")] {
        let (result, actions) = register([described(&[(AMI, NAME, location, "available")])]).await;
        let error = result.expect_err("the name is taken");
        let ErrorKind::NameTaken { ami, location: told } = &error.kind else { panic!("{error:?}") };
        assert_eq!((ami.as_str(), told.as_deref().unwrap_or_default()), (AMI, location));
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.advice().expect("advice").contains(AMI));
        assert_eq!(actions, ["DescribeImages"]);
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let unclear: [fn() -> Reply; 5] = [
        || Reply::Lost,
        || reply(502, "<html>"),
        || refusal(500, "InternalError", "x"),
        || reply(200, "<html/>"),
        || answer("RegisterImage", ""),
    ];
    for lost in unclear {
        // It was carried out, and shows at the second look.
        let (result, actions) = register([described(&[]), lost(), described(&[]), ours()]).await;
        assert_eq!(result.expect("an AMI"), Registered::New(AMI.parse().expect("an id")));
        assert_eq!(
            actions,
            ["DescribeImages", "RegisterImage", "DescribeImages", "DescribeImages"]
        );
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_taken_for_somebody_elses_image() {
    let theirs = described(&[(AMI, NAME, "other/m.xml", "available")]);
    let (result, actions) = register([described(&[]), Reply::Lost, theirs]).await;
    assert!(matches!(result.expect_err("taken").kind, ErrorKind::NameTaken { .. }));
    assert_eq!(actions.len(), 3);
    let kernel = described(&[("aki-5c21674b", NAME, LOCATION, "available")]);
    let (result, _) = register([kernel]).await;
    assert!(result.expect_err("taken").to_string().contains("`aki-5c21674b`, no AMI"));
}

#[tokio::test]
async fn a_request_that_was_not_carried_out_is_sent_again() {
    let none = || described(&[]);
    let server = Server::giving([none(), Reply::Lost, none(), none(), none(), none(), made()]);
    let events = Events::default();
    let registered = server.ec2().register(&wanted(), &events.keep()).await.expect("an AMI");
    assert_eq!(registered.id().as_str(), AMI);
    assert_eq!(server.actions().iter().filter(|action| *action == "RegisterImage").count(), 2);
    let events = events.all();
    assert!(matches!(&events[0], Event::LookingUp { name } if name.as_str() == NAME));
    assert!(matches!(events[1], Event::Retry { action: "RegisterImage", attempt: 1, .. }));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_looked_up() {
    let mut replies = vec![described(&[]), Reply::Hang, ours()].into_iter();
    let server = Server::start(move |_| replies.next().expect("a request too many"));
    let mut timing = quick();
    timing.attempt = Duration::from_millis(500);
    let ec2 = server.ec2().with_timing(timing);
    let registered = ec2.register(&wanted(), &ignore).await.expect("an AMI");
    assert_eq!(registered, Registered::New(AMI.parse().expect("an id")));
}

#[tokio::test]
async fn a_request_that_was_turned_away_is_sent_again_without_a_look() {
    let busy = refusal(503, "RequestLimitExceeded", "Request limit exceeded.");
    let (result, actions) = register([described(&[]), busy, made()]).await;
    result.expect("an AMI");
    assert_eq!(actions, ["DescribeImages", "RegisterImage", "RegisterImage"]);
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_may_be_ours() {
    let duplicate = || refusal(400, "InvalidAMIName.Duplicate", "AMI name is already in use.");
    let none = || described(&[]);
    // By the first attempt, which showed nowhere yet.
    let replies = [none(), Reply::Lost, none(), none(), none(), none(), duplicate(), ours()];
    let (result, _) = register(replies).await;
    assert_eq!(result.expect("an AMI"), Registered::New(AMI.parse().expect("an id")));
    // By another run.
    let (result, _) = register([none(), duplicate(), ours()]).await;
    assert_eq!(result.expect("an AMI"), Registered::Already(AMI.parse().expect("an id")));
    // By somebody else.
    let theirs = described(&[(AMI, NAME, "other/m.xml", "pending")]);
    let (result, _) = register([none(), duplicate(), theirs]).await;
    assert!(matches!(result.expect_err("taken").kind, ErrorKind::NameTaken { .. }));
    // By an image that is not there any more.
    let (result, _) = register([none(), duplicate(), none(), none(), none(), none()]).await;
    let error = result.expect_err("taken");
    assert!(error.advice().expect("advice").contains("a while"), "{error}");
}

#[tokio::test]
async fn what_is_not_known_in_the_end_is_said() {
    let mut n = 0;
    let server = Server::start(move |asked| {
        n += 1;
        match asked.action().as_str() {
            _ if n == 1 => described(&[]),
            "RegisterImage" => Reply::Lost,
            _ => refusal(403, "UnauthorizedOperation", "No."),
        }
    });
    let error = server.ec2().register(&wanted(), &ignore).await.expect_err("nothing is known");
    assert_eq!(error.action, "RegisterImage");
    assert!(
        error.to_string().ends_with("whether `web (2026)` was registered is not known"),
        "{error}"
    );
}

#[tokio::test]
async fn refusals_are_final() {
    let text = "HTTP 403 (Forbidden) response for URL http://s3.amazonaws.com:80/bucket/key";
    let (result, actions) = register([described(&[]), refusal(400, "InvalidManifest", text)]).await;
    let error = result.expect_err("no manifest");
    assert!(error.advice().expect("advice").contains("aws-exec-read"));
    assert_eq!(actions.len(), 2);
}

#[tokio::test]
async fn contradictions_are_found_before_anything_is_sent() {
    type Change = fn(&mut Registration);
    let changes: [(Change, &str); 8] = [
        (|r| r.kernel = Some("aki-5c21674b".parse().expect("an id")), "not from kernel"),
        (|r| r.ramdisk = Some("ari-5c21674b".parse().expect("an id")), "RAM disk"),
        (|r| (r.virtualization, r.ena) = (Virtualization::Paravirtual, true), "HVM images only"),
        (
            |r| r.mappings = vec!["sdb1=ephemeral0".parse().expect("a mapping")],
            "did you mean `sdb`",
        ),
        (
            |r| {
                let texts = ["/dev/sdb=ephemeral0", "sdb=none"];
                r.mappings = texts.map(|text| text.parse().expect(text)).to_vec();
            },
            "mapped twice",
        ),
        (|r| r.description = Some("x".repeat(256)), "256 characters"),
        (|r| r.tags = vec![("aws:x".to_owned(), String::new())], "`aws:` is EC2's"),
        (|r| r.tags = vec![(String::new(), String::new())], "not a tag"),
    ];
    let server = Server::giving([]);
    for (change, says) in changes {
        let mut wanted = wanted();
        change(&mut wanted);
        let error = server.ec2().register(&wanted, &ignore).await.expect_err(says);
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.to_string().contains(says), "{error}");
    }
    for (root, says) in [("/dev/sdf", "is `/dev/sdf`, and no snapshot"), ("sdc", "is `sdc`")] {
        let mut wanted = of_volumes();
        wanted.root_device = Some(root.parse().expect(root));
        assert!(wanted.check().expect_err(says).to_string().contains(says));
    }
    let mut wanted = of_volumes();
    wanted.mappings = vec!["/dev/sdf=none".parse().expect("a mapping")];
    assert!(wanted.check().expect_err("twice").to_string().contains("mapped twice"));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_rehearsal_registers_nothing() {
    let text = "Request would have succeeded, but DryRun flag is set.";
    let server = Server::giving([
        refusal(412, "DryRunOperation", text),
        refusal(403, "UnauthorizedOperation", "You are not authorized."),
    ]);
    server.ec2().rehearse(&wanted(), &ignore).await.expect("it would work");
    let error = server.ec2().rehearse(&wanted(), &ignore).await.expect_err("it would not");
    assert!(error.advice().expect("advice").contains("`ec2:RegisterImage`"));
    assert_eq!(server.asked()[0].form().get("DryRun").map(String::as_str), Some("true"));
}

#[tokio::test]
async fn an_image_is_waited_for() {
    let ami = AMI.parse().expect("an id");
    let server = Server::giving([
        refusal(400, "InvalidAMIID.NotFound", "The image id does not exist"),
        described(&[]),
        described(&[(AMI, NAME, LOCATION, "pending")]),
        ours(),
    ]);
    let events = Events::default();
    let image = server.ec2().wait(&ami, Duration::from_secs(9), &events.keep()).await;
    assert!(image.expect("an image").is_available());
    let states: Vec<_> = events
        .all()
        .into_iter()
        .map(|event| match event {
            Event::Waiting { state, .. } => state,
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(states, [None, None, Some("pending".to_owned())]);
}

#[tokio::test]
async fn an_image_that_fails_is_not_waited_for() {
    let ami = AMI.parse().expect("an id");
    for state in ["failed", "invalid", "error", "deregistered", "disabled"] {
        let inner = format!(
            "<imagesSet><item><imageId>{AMI}</imageId><imageState>{state}</imageState><stateReason>\
             <code>Client.X</code><message>Part 3 is missing.</message></stateReason></item></imagesSet>"
        );
        let server = Server::giving([answer("DescribeImages", &inner)]);
        let result = server.ec2().wait(&ami, Duration::from_secs(9), &ignore).await;
        let error = result.expect_err("a failure");
        assert_eq!(error.kind, ErrorKind::Failed { state: state.to_owned() });
        assert!(error.to_string().ends_with(&format!("is {state}: Part 3 is missing")), "{error}");
    }
    let server = Server::start(|_| described(&[(AMI, NAME, LOCATION, "pending")]));
    let result = server.ec2().wait(&ami, Duration::from_millis(30), &ignore).await;
    let kind = ErrorKind::Pending { state: Some("pending".to_owned()) };
    assert_eq!(result.expect_err("it is too late").kind, kind);
}
