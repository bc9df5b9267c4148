//! SHA-256 digests as arrays.

use ring::digest::{Context, SHA256};

/// Returns the digest of the bytes of all parts, one after the other.
pub fn of_bytes<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    array(context)
}

/// Returns the digest of parts. The length of each is included, so that two lists of parts with the same text have
/// different digests.
pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    array(context)
}

fn array(context: Context) -> [u8; 32] {
    let mut array = [0; 32];
    // A SHA-256 digest has 32 bytes, so this cannot panic.
    array.copy_from_slice(context.finish().as_ref());
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digest_of_parts_distinguishes_where_they_end() {
        let [one, other] = [[b"ab".as_slice(), b"c"], [b"a".as_slice(), b"bc"]];
        assert_eq!(of_bytes(one), of_bytes([b"abc".as_slice()]));
        assert_eq!(of_bytes(one), of_bytes(other));
        assert_ne!(of_parts(one), of_parts(other));
        // FIPS 180-2, appendix B.1.
        assert_eq!(of_bytes(one)[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
