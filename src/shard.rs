//! Which replica works for which tenants, if the tenants are spread over several. **Pure.**
//!
//! A tenant belongs to one shard, so that its budget is never split and two resources for one remote object are
//! reconciled by one process. The shard follows from the tenant and from the number of shards alone, by rendezvous
//! hashing: each shard has a weight for the tenant, and the greatest wins. One more shard thus takes its own tenants
//! from the others, and moves none between them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::sha256;

/// Number of shards, from 1 to [`ShardCount::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCount(u8);

/// Error for a text that is not a number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a number from 1 to {}", ShardCount::MAX)]
pub struct InvalidShardCount;

/// One of the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u8,
    count: ShardCount,
}

impl ShardCount {
    /// A single shard, which serves all tenants.
    pub const ONE: Self = Self(1);

    /// Maximum number of shards. It bounds how many Leases are read when the number changes. Each replica watches all
    /// resources, so that many more would spread little but the requests to the service.
    pub const MAX: u8 = 16;

    /// Returns the number, or `None` if it is out of range.
    #[must_use]
    pub const fn new(count: u8) -> Option<Self> {
        if 1 <= count && count <= Self::MAX {
            Some(Self(count))
        } else {
            None
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for ShardCount {
    type Err = InvalidShardCount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.parse().map_err(|_| InvalidShardCount)?;
        Self::new(count).ok_or(InvalidShardCount)
    }
}

impl fmt::Display for ShardCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Shard {
    /// The only shard, which serves all tenants.
    pub const ONLY: Self = Self {
        number: 1,
        count: ShardCount::ONE,
    };

    /// Returns the shard of this number, which starts at 1, or `None` if it is out of range.
    #[must_use]
    pub const fn new(number: u8, count: ShardCount) -> Option<Self> {
        if 1 <= number && number <= count.0 {
            Some(Self { number, count })
        } else {
            None
        }
    }

    /// Returns its number, which starts at 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    /// Returns how many shards there are.
    #[must_use]
    pub const fn count(self) -> ShardCount {
        self.count
    }

    /// Returns whether it is the first, which also serves what belongs to no tenant.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.number == 1
    }

    /// Returns whether a tenant, in whatever letter case, belongs to this shard. `None` stands for what belongs to no
    /// tenant, because its connection is unknown.
    #[must_use]
    pub fn serves(self, tenant: Option<&str>) -> bool {
        let owner = tenant.map_or(1, |tenant| number_of(tenant, self.count));
        owner == self.number
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.number, self.count)
    }
}

fn number_of(tenant: &str, count: ShardCount) -> u8 {
    let tenant = tenant.to_ascii_lowercase();
    let numbers = 1..=count.0;
    numbers
        .max_by_key(|number| weight(&tenant, *number))
        .unwrap_or(1)
}

/// Returns the weight of a shard for a tenant: the SHA-256 digest of the number of the shard, one byte, and the tenant.
///
/// Replicas of different versions must agree on it, so it must never change.
fn weight(tenant: &str, number: u8) -> [u8; 32] {
    sha256::of_bytes([&[number], tenant.as_bytes()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(count: u8) -> ShardCount {
        ShardCount::new(count).unwrap()
    }

    fn tenants() -> impl Iterator<Item = String> {
        (0..4_000_u32).map(|number| format!("{number:08x}-2222-4333-8444-555555555555"))
    }

    #[test]
    fn numbers_of_shards_are_from_1_to_16() {
        for text in ["0", "17", "256", "-1", "", "two", "1.5"] {
            assert_eq!(text.parse::<ShardCount>(), Err(InvalidShardCount), "{text}");
        }
        for number in 1..=16 {
            assert_eq!(number.to_string().parse(), Ok(count(number)));
        }
        assert_eq!(Shard::new(0, count(2)), None);
        assert_eq!(Shard::new(3, count(2)), None);
        let last = Shard::new(2, count(2)).unwrap();
        assert_eq!(last.to_string(), "shard 2 of 2");
    }

    /// Replicas of another version compute the same.
    #[test]
    fn the_shard_of_a_tenant_is_the_same_in_all_versions() {
        let table = [
            ("11111111-2222-4333-8444-555555555555", [1, 2, 3, 3, 10]),
            ("contoso.onmicrosoft.com", [1, 1, 1, 1, 9]),
            ("fabrikam.example", [1, 2, 2, 2, 9]),
            ("adatum.example", [1, 2, 2, 2, 6]),
        ];
        let found = table.map(|(tenant, _)| {
            let shards = [1, 2, 3, 4, 16].map(|shards| number_of(tenant, count(shards)));
            (tenant, shards)
        });
        assert_eq!(found, table);
    }

    #[test]
    fn what_belongs_to_no_tenant_is_served_by_the_first_shard() {
        for shards in 1..=16 {
            for number in 1..=shards {
                let shard = Shard::new(number, count(shards)).unwrap();
                assert_eq!(shard.serves(None), shard.is_first());
            }
        }
        assert!(Shard::ONLY.serves(None) && Shard::ONLY.serves(Some("contoso.com")));
    }

    #[test]
    fn tenants_are_spread_evenly() {
        for shards in [2, 3, 5, 16] {
            let mut sizes = vec![0; shards.into()];
            for tenant in tenants() {
                sizes[usize::from(number_of(&tenant, count(shards))) - 1] += 1;
            }
            let fair = 4_000 / i32::from(shards);
            let is_fair = |size: &i32| (fair * 3 / 4..=fair * 5 / 4).contains(size);
            assert!(sizes.iter().all(is_fair), "{sizes:?}");
        }
    }

    #[test]
    fn another_shard_takes_its_share_and_moves_nothing_else() {
        for shards in 1..16 {
            let mut moved = 0;
            for tenant in tenants() {
                let before = number_of(&tenant, count(shards));
                let after = number_of(&tenant, count(shards + 1));
                assert!(after == before || after == shards + 1);
                moved += u32::from(after != before);
            }
            let fair = 4_000 / u32::from(shards + 1);
            let range = fair * 3 / 4..=fair * 5 / 4;
            assert!(range.contains(&moved), "{moved} of {shards}");
        }
    }

    proptest! {
        #[test]
        fn exactly_one_shard_serves_a_tenant_in_whatever_letter_case(
            tenant in "[a-zA-Z0-9.-]{1,40}",
            shards in 1..=ShardCount::MAX,
        ) {
            let all = (1..=shards).filter_map(|number| Shard::new(number, count(shards)));
            let serving = |tenant: &str| -> Vec<u8> {
                let serving = all.clone().filter(|shard| shard.serves(Some(tenant)));
                serving.map(Shard::number).collect()
            };
            prop_assert_eq!(serving(&tenant).len(), 1);
            prop_assert_eq!(serving(&tenant), serving(&tenant.to_ascii_uppercase()));
            prop_assert_eq!(serving(&tenant), serving(&tenant.to_ascii_lowercase()));
        }
    }
}
