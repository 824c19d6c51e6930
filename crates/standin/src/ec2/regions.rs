//! `DescribeRegions`.

use super::call::Call;
use super::refusal::Refusal;
use super::xml::Xml;

/// The regions that are described; every other works as well.
const REGIONS: [&str; 6] =
    ["ap-northeast-1", "eu-central-1", "eu-west-1", "us-east-1", "us-west-1", "us-west-2"];

/// `DescribeRegions`.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["RegionName.", "Filter.", "AllRegions"])?;
    let names = call.form.list("RegionName");
    let mut xml = Xml::default();
    xml.within("regionInfo", |xml| {
        for name in REGIONS
            .iter()
            .filter(|name| names.is_empty() || names.iter().any(|wanted| wanted == *name))
        {
            xml.within("item", |xml| {
                xml.leaf("regionName", name);
                xml.leaf("regionEndpoint", &format!("ec2.{name}.amazonaws.com"));
                xml.leaf("optInStatus", "opt-in-not-required");
            });
        }
    });
    Ok(xml)
}
