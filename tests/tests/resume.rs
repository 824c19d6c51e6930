//! Uploads that are interrupted at 200 random points: the same command again sends what is missing, and nothing else.

use std::collections::BTreeSet;
use std::ops::Range;

use baler_standin::{Fault, Rule};
use baler_tests::{Cloud, Started, fixture, image, until};

#[path = "faults/small.rs"]
mod small;

use small::{Files, PARTS, bundle, files, finish, objects, run_to_its_end};

const MANIFEST: &str = "disk.manifest.xml";
const MESSAGE: &str = "error: interrupted; nothing unfinished was left under its final name";

/// How many parts are on their way at once.
const IN_FLIGHT: usize = 8;

/// How many uploads use the same stand-in.
const ROUND: usize = 20;

/// Numbers that look random and are the same ones in each run; `BALER_TEST_SEED` gives other ones.
struct Random(u64);

impl Random {
    #[expect(clippy::print_stdout, reason = "who repeats a failure needs the seed")]
    fn new(name: &str) -> Random {
        let given = std::env::var("BALER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or(2024);
        println!("{name}: BALER_TEST_SEED={seed}");
        Random(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 += 1;
        let bytes = image::noise(8, self.0);
        u64::from_le_bytes(bytes.try_into().expect("8 bytes")) % end
    }

    fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }
}

/// Interrupts so many uploads with `interrupt`, which says whether it came in time, and goes on with each.
#[expect(clippy::print_stdout, reason = "where they were interrupted is chance, and worth knowing")]
fn uploads(count: usize, name: &str, mut interrupt: impl FnMut(&Cloud, &str, &mut Random) -> bool) {
    let mut random = Random::new(name);
    let (mut done, mut sent, mut kept, mut too_late) = (0, 0, 0, 0);
    while done < count {
        let cloud = Cloud::new();
        bundle(&cloud, "out");
        let whole = files(&cloud, "out");
        let first =
            cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole", "--create-bucket"]);
        first.exits(0);
        for number in 0..ROUND.min(count - done) {
            let prefix = (0..100)
                .map(|attempt| format!("{name}-{number}-{attempt}"))
                .find(|prefix| {
                    let came_in_time = interrupt(&cloud, prefix, &mut random);
                    cloud.aws.faults(Vec::new());
                    too_late += usize::from(!came_in_time);
                    came_in_time
                })
                .expect("one that is not too fast");
            let there = resumes(&cloud, &prefix, &whole);
            (sent, kept) = (sent + PARTS - there, kept + there);
        }
        done += ROUND.min(count - done);
    }
    println!(
        "{name}: {count} interrupted, {too_late} were too fast; {kept} parts were there, {sent} were sent"
    );
    // Otherwise it was not random where they were interrupted.
    assert!(kept > count && sent > count);
}

/// Goes on with an upload; how many parts were there.
fn resumes(cloud: &Cloud, prefix: &str, whole: &Files) -> usize {
    // The manifest is looked for first: what comes later may only be more.
    let there = objects(cloud, "images", prefix);
    let parts = there.keys().filter(|name| *name != MANIFEST).count();
    assert!(!there.contains_key(MANIFEST) || parts == PARTS, "a manifest and {parts} parts");
    for (name, bytes) in &there {
        assert!(Some(bytes) == whole.get(name), "{prefix}: half of {name} is there");
    }
    let place = format!("s3://images/{prefix}");
    let ran = run_to_its_end(&mut cloud.baler(["copy", "out/disk.manifest.xml", &place]));
    ran.exits(0).prints(&format!("{place}/{MANIFEST}\n"));
    assert!(objects(cloud, "images", prefix) == *whole, "{prefix}: another bundle");
    // What was on its way when the first run ended is sent by both; all else by one of them.
    let sent = puts(cloud, prefix);
    for name in whole.keys().filter(|name| *name != MANIFEST) {
        let times = sent.iter().filter(|sent| *sent == name).count();
        let most = if there.contains_key(name) { 1 } else { 2 };
        assert!((1..=most).contains(&times), "{prefix}: {name} was sent {times} times");
    }
    let twice = sent.len() - sent.iter().collect::<BTreeSet<_>>().len();
    assert!(twice <= IN_FLIGHT + 1, "{prefix}: {twice} objects were sent twice");
    let key = fixture::key("user");
    let mut verify = cloud.baler(["verify", &format!("{place}/{MANIFEST}"), "--key"]);
    run_to_its_end(verify.arg(key)).exits(0).prints("all 12 good");
    parts
}

/// The names of the objects that were put under a prefix, as often as they were.
fn puts(cloud: &Cloud, prefix: &str) -> Vec<String> {
    let path = format!("/images/{prefix}/");
    let requests = cloud.aws.requests();
    let put = requests.iter().filter(|request| request.operation == "PutObject");
    put.filter_map(|request| request.path.strip_prefix(&path).map(str::to_owned)).collect()
}

/// How many requests have come since there were `before`.
fn came(cloud: &Cloud, before: usize) -> usize {
    cloud.aws.requests().len() - before
}

#[test]
fn interrupted_by_the_user() {
    let slow = || Fault::Status {
        status: 503,
        code: "SlowDown".to_owned(),
        message: "Slow down.".to_owned(),
        headers: vec![("retry-after".to_owned(), "50".to_owned())],
        body: None,
    };
    uploads(60, "int", |cloud, prefix, random| {
        // From some object on nothing gets through, so that it is still at it.
        let skip = u32::try_from(random.below(PARTS as u64 + 1)).expect("a small number");
        cloud.aws.faults(vec![Rule::new(slow()).operation("PutObject").skip(skip).count(0)]);
        let place = format!("s3://images/{prefix}");
        let mut command = cloud.baler(["copy", "out/disk.manifest.xml", &place]);
        let mut started = Started::new(&mut command);
        until("an object is held up", || !cloud.aws.fired().is_empty() || started.has_ended());
        std::thread::sleep(std::time::Duration::from_micros(random.below(5000)));
        started.signal("INT");
        let ran = finish(started).exits(130).prints_nothing();
        ran.says("error: interrupted; ").says("the same command continues from there");
        true
    });
}

#[test]
fn killed() {
    uploads(70, "kill", |cloud, prefix, random| {
        let wanted = random.within(1..30) as usize;
        let pause = random.below(2000);
        let before = cloud.aws.requests().len();
        let place = format!("s3://images/{prefix}");
        let mut started = Started::new(&mut cloud.baler(["copy", "out/disk.manifest.xml", &place]));
        until("requests come", || came(cloud, before) >= wanted || started.has_ended());
        std::thread::sleep(std::time::Duration::from_micros(pause));
        // It may have ended, or end now.
        let _ = started.child.kill();
        let ran = finish(started);
        assert!(ran.signal == Some(9) || ran.code == Some(0), "{ran:?}");
        ran.code != Some(0)
    });
}

#[test]
fn failed() {
    uploads(70, "fault", |cloud, prefix, random| {
        let status = Fault::Status {
            status: 500,
            code: "InternalError".to_owned(),
            message: String::new(),
            headers: Vec::new(),
            body: None,
        };
        let after = random.below(60_000);
        let faults = [
            status,
            Fault::ResetRequest { after },
            Fault::ResetReply { after: after % 200 },
            Fault::DropReply,
            Fault::Html,
            Fault::Empty { status: 503 },
        ];
        let fault = faults[random.below(faults.len() as u64) as usize].clone();
        let skip = u32::try_from(random.below(20)).expect("a small number");
        cloud.aws.faults(vec![Rule::new(fault).skip(skip).count(0)]);
        let place = format!("s3://images/{prefix}");
        let mut command = cloud.baler(["copy", "out/disk.manifest.xml", &place]);
        let ran = run_to_its_end(command.args(["--attempts", "1", "--timeout", "5"]));
        assert!(matches!(ran.code, Some(0 | 1 | 4)), "{ran:?}");
        let has_failed = ran.code != Some(0);
        if has_failed {
            ran.says("error: ").prints_nothing();
        }
        has_failed
    });
}

#[test]
fn a_bundling_that_is_interrupted_takes_back_what_it_sent() {
    use std::io::Write;
    use std::process::Stdio;

    let cloud = Cloud::new();
    bundle(&cloud, "out");
    cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole", "--create-bucket"]).exits(0);
    let noise = image::noise(32 << 20, 7);
    for (number, signal) in ["INT", "TERM", "HUP"].into_iter().enumerate() {
        let prefix = format!("taken-back-{number}");
        let mut command = cloud.bundling("-", &format!("s3://images/{prefix}"));
        command
            .args(["--name", "disk", "--size", "64MiB", "--level", "fast"])
            .stdin(Stdio::piped());
        let mut started = Started::new(&mut command);
        let mut stdin = started.child.stdin.take().expect("a pipe");
        // The pipe stays open: nothing but the signal ends this.
        stdin.write_all(&noise).expect("it reads");
        until("a part arrives", || !objects(&cloud, "images", &prefix).is_empty());
        started.signal(signal);
        finish(started).exits(130).says(MESSAGE).prints_nothing();
        assert_eq!(objects(&cloud, "images", &prefix).len(), 0, "{signal}");
    }
}
