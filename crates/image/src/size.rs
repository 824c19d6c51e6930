use std::fmt;

/// A number of bytes for a message: rounded, then exact, because two disks of "8.0 GiB" can differ by one sector.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let Some(power) = (self.0.max(1).ilog2() / 10).checked_sub(1) else {
            return write!(f, "{} bytes", self.0);
        };
        let rounded = self.0 as f64 / 1024_f64.powi(power as i32 + 1);
        write!(f, "{rounded:.1} {} ({} bytes)", units[power as usize], self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_rounded_and_exact() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB (1024 bytes)"),
            (8 << 30, "8.0 GiB (8589934592 bytes)"),
            (u64::MAX, "16.0 EiB (18446744073709551615 bytes)"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}
