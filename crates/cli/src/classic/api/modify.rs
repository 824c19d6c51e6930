//! `ec2-modify-image-attribute`: who may launch an AMI.

use anyhow::Context;
use baler_ec2::{AccountId, AmiId, Permission};

use super::{Api, COMMON, Lines, filled, only_image, wrong};
use crate::classic::command::{Command, Tools};
use crate::classic::fail::Usage;
use crate::classic::options::{Options, Spec, anything, flag, value};
use crate::classic::session::Session;
use crate::exit::Trouble;
use crate::report;

pub(in crate::classic) static COMMAND: Command = Command {
    name: "ec2-modify-image-attribute",
    tools: Tools::Api,
    aliases: &["ec2mimatt", "ec2matt"],
    about: "Allow others to launch an AMI, or revoke that",
    usage: "AMI -l (-a ENTITY | -r ENTITY) [OPTIONS]",
    new: "baler share AMI",
    options: &[OWN, COMMON],
    notes: "ENTITY is an account, 12 digits, or `all`. For organizations, use `baler share`.",
    run,
};

const OWN: &[Spec] = &[
    flag("launch-permission", "Change who may launch it", "").short('l'),
    value(
        Some('a'),
        "add",
        "ENTITY",
        anything,
        "Grant the permission to this entity; may be repeated",
        "--account, --public",
    ),
    value(
        Some('r'),
        "remove",
        "ENTITY",
        anything,
        "Revoke the permission of this entity; may be repeated",
        "--remove with --account, --public",
    ),
    value(
        Some('p'),
        "product-code",
        "CODE",
        anything,
        "Refused: EC2 no longer accepts product codes",
        "",
    ),
];

const HEAD: [&str; 5] = ["Attribute", "ImageID", "Operation", "ItemType", "Value"];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let options = filled(options, &["add", "remove"], session)?;
    let plan = Change::of(&options)?;
    let api = Api::connect(session, &options)?;
    let (add, remove) =
        if plan.is_added { (&plan.entities[..], &[][..]) } else { (&[][..], &plan.entities[..]) };
    let shared =
        api.run.wait(async { Ok(api.ec2.share(&plan.ami, add, remove, &api.reporter()).await?) });
    shared.with_context(|| format!("changing who may launch {}", plan.ami))?;
    report::result(&plan.lines(Lines::of(&options)))
}

/// Whose right to launch what comes or goes.
struct Change {
    ami: AmiId,
    entities: Vec<Permission>,
    is_added: bool,
}

impl Change {
    fn of(options: &Options) -> anyhow::Result<Change> {
        let ami = only_image(options)?;
        if options.has("product-code") {
            let what = "EC2 no longer accepts product codes for an image: they come with a listing in AWS Marketplace";
            return Err(Trouble::usage(what).into());
        }
        let usage = |text: &str| Err(Usage(text.to_owned()).into());
        if !options.has("launch-permission") {
            return usage("missing mandatory parameter: --launch-permission");
        }
        let (long, is_added) = match (options.has("add"), options.has("remove")) {
            (true, false) => ("add", true),
            (false, true) => ("remove", false),
            (true, true) => return usage("--add and --remove exclude each other"),
            (false, false) => return usage("missing mandatory parameter: --add or --remove"),
        };
        let texts = options.all(long).map(|text| text.to_string_lossy());
        let entities = texts.map(|text| entity(&text).map_err(|why| wrong(long, &text, why)));
        Ok(Change { ami, entities: entities.collect::<anyhow::Result<_>>()?, is_added })
    }

    fn lines(&self, lines: Lines) -> String {
        let mut text = lines.head(&HEAD);
        for entity in &self.entities {
            let value = entity.to_string();
            let (operation, kind) = (
                if self.is_added { "ADD" } else { "REMOVE" },
                if *entity == Permission::Public { "group" } else { "userId" },
            );
            let columns = ["launchPermission", self.ami.as_str(), operation, kind, &value];
            text += &lines.line(&columns.map(Some));
        }
        text
    }
}

fn entity(text: &str) -> Result<Permission, String> {
    match text {
        "all" => Ok(Permission::Public),
        account => account
            .parse::<AccountId>()
            .map(Permission::Account)
            .map_err(|why| format!("{why}; or `all`")),
    }
}
