//! As whom EC2 is asked, and where.

use crate::*;

/// Without the variables that the SDK reads its credentials from, and with these.
fn as_then(cloud: &Cloud, line: &str, set: &[(&str, &str)]) -> Command {
    let mut command = cloud.baler(line.split_whitespace());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        command.env_remove(name);
    }
    command.envs(set.iter().copied());
    command
}

#[test]
fn credentials_are_those_of_options_and_variables() {
    let cloud = cloud();
    let ami = register(&cloud, "-n web");
    let (key, secret) = (cloud.aws.access_key().to_owned(), cloud.aws.secret_key().to_owned());
    let (id, word) = (("AWS_ACCESS_KEY", &*key), ("AWS_SECRET_KEY", &*secret));
    let wrong = ("AWS_SECRET_KEY", "wrongwrongwrong");
    let new = [("AWS_ACCESS_KEY_ID", &*key), ("AWS_SECRET_ACCESS_KEY", &*secret)];
    let both = format!("-O {key} -W {secret}");
    let missing = "missing mandatory parameter: --aws-access-key";
    let x509 = "EC2 no longer accepts signatures with certificates";
    for (options, set, says) in [
        (&*both, &[][..], None),
        (&format!("--aws-access-key {key} --aws-secret-key={secret}"), &[], None),
        (&format!("--aws-a {key} --aws-s {secret}"), &[], None),
        ("", &[id, word], None),
        (&format!("-W {secret}"), &[id, wrong], None),
        (&format!("-O {key}"), &[word], None),
        ("", &new, None),
        ("-O -W", &new, Some("missing argument: -O (`-W` is an option)")),
        (&format!("{both} -T expired"), &[], Some("RequestExpired")),
        (&format!("{both} --security-token=expired"), &[], Some("RequestExpired")),
        (&both, &[("AWS_DELEGATION_TOKEN", "expired")], Some("RequestExpired")),
        (&format!("{both} -T good"), &[("AWS_DELEGATION_TOKEN", "expired")], None),
        ("", &[id, wrong], Some("AuthFailure")),
        (&format!("-O {key} -W wrongwrongwrong"), &new, Some("AuthFailure")),
        ("", &[], Some(missing)),
        ("", &[id], Some("missing mandatory parameter: --aws-secret-key")),
        ("", &[("AWS_SECRET_KEY", "wrongwrongwrong")], Some(missing)),
        ("-K key.pem -C cert.pem", &[], Some(x509)),
        ("", &[("EC2_PRIVATE_KEY", "key.pem"), ("EC2_CERT", "cert.pem")], Some(x509)),
        ("-K key.pem -C cert.pem", &new, None),
    ] {
        for debug in ["", "--debug", "-v"] {
            let line = format!("ec2-describe-images {options} {debug}");
            let ran = capture(&mut as_then(&cloud, &line, set));
            for hidden in [&*secret, "wrongwrongwrong", "expired "] {
                assert!(
                    !ran.stderr.contains(hidden) && !ran.text().contains(hidden),
                    "{}",
                    ran.stderr
                );
            }
            match says {
                None => ran.exits(0).prints(&format!("IMAGE\t{ami}\t")),
                Some(says) => ran.exits(1).prints_nothing().says(says),
            };
        }
    }
    let mut piped = as_then(&cloud, &format!("ec2-describe-images -O {key} -W -"), &[]);
    feed(&mut piped, format!("{secret}\n").as_bytes()).exits(0).prints(&ami);
    let traced = format!("ec2dim {both} --debug");
    let ran = capture(&mut as_then(&cloud, &traced, &[])).exits(0);
    ran.says("ec2-describe-images: debug: POST ").does_not_say(&secret);
}

#[test]
fn the_region_is_told_by_the_option_the_address_or_the_variable() {
    let cloud = cloud();
    let url = cloud.aws.url();
    let europe = "https://ec2.eu-west-1.amazonaws.com";
    let asia = "https://ap-northeast-1.ec2.amazonaws.com/";
    let unused = "--region overrides --url, which is ignored";
    for (options, set, region, says) in [
        ("", &[][..], "us-east-1", ""),
        ("--region eu-central-1", &[], "eu-central-1", ""),
        ("--reg=EU", &[], "eu-west-1", ""),
        (&format!("-U {europe}"), &[], "eu-west-1", ""),
        (&format!("--url={europe}/"), &[], "eu-west-1", ""),
        ("-U https://ec2.amazonaws.com", &[("EC2_URL", europe)], "us-east-1", ""),
        ("", &[("EC2_URL", europe)], "eu-west-1", ""),
        ("", &[("EC2_URL", "")], "us-east-1", ""),
        (&format!("-U {asia}"), &[("EC2_URL", europe)], "ap-northeast-1", ""),
        ("--region us-west-2", &[("EC2_URL", europe)], "us-west-2", ""),
        (&format!("--region us-west-2 -U {europe}"), &[], "us-west-2", unused),
        (&format!("--region eu-west-1 -U {europe}"), &[], "eu-west-1", ""),
        ("", &[("AWS_REGION", "us-west-1")], "us-east-1", ""),
    ] {
        let mut command = as_then(&cloud, &format!("ec2-describe-images -o self {options}"), set);
        command.env("AWS_ACCESS_KEY", cloud.aws.access_key());
        command.env("AWS_SECRET_KEY", cloud.aws.secret_key());
        let ran = capture(&mut command).exits(0).says(says);
        assert!(!says.is_empty() || ran.stderr.is_empty(), "{options}: {}", ran.stderr);
        let request = cloud.aws.requests().pop().expect("a request");
        assert_eq!(
            (&*request.operation, &*request.region),
            ("DescribeImages", region),
            "{options}"
        );
    }
    // Another service is asked itself, whatever else is set.
    for (options, set) in [(&*format!("-U {url}"), &[][..]), ("", &[("EC2_URL", &*url)])] {
        let before = cloud.aws.requests().len();
        let mut command = as_then(&cloud, &format!("ec2-describe-images -o self {options}"), set);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        command.env("AWS_ACCESS_KEY", cloud.aws.access_key());
        command.env("AWS_SECRET_KEY", cloud.aws.secret_key());
        capture(&mut command).exits(0).says_nothing();
        assert_eq!(cloud.asked(before), ["DescribeImages"]);
    }
    let mut command = as_then(&cloud, "ec2-describe-images", &[("EC2_URL", "me:PASSWORD@host")]);
    capture(&mut command).exits(1).says("EC2_URL has an invalid value").does_not_say("PASSWORD");
}
