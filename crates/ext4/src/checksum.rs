//! CRC-32C as ext4 uses it: a seed goes in as it is, nothing is inverted at the end.

/// A running checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checksum(u32);

impl Checksum {
    pub(crate) const START: Checksum = Checksum(!0);

    pub(crate) fn add(self, bytes: &[u8]) -> Checksum {
        Checksum(!crc32c::crc32c_append(!self.0, bytes))
    }

    pub(crate) fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_inverse_of_the_usual_one() {
        assert_eq!(!Checksum::START.add(b"123456789").value(), 0xe306_9283);
        assert_eq!(
            Checksum::START.add(b"1234").add(b"56789").value(),
            Checksum::START.add(b"123456789").value()
        );
    }
}
