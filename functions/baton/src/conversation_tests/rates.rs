//! What so many passed runs say of a case: the pass rate, pass^k, and their intervals.
//! Knows numbers; never a conversation.

/// The two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Passed runs of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    /// The runs that passed.
    pub(super) passed: u32,
    /// All runs.
    pub(super) runs: u32,
}

impl Rates {
    /// The pass rate.
    pub(super) fn rate(self) -> f64 {
        if self.runs == 0 {
            return 0.0;
        }
        f64::from(self.passed) / f64::from(self.runs)
    }

    /// The probability that `k` runs all pass, by the unbiased estimator C(passed, k) / C(runs, k). Of fewer runs than `k` there is
    /// no such estimate.
    pub(super) fn pass_all(self, k: u32) -> Option<f64> {
        if k == 0 || k > self.runs {
            return None;
        }
        // A quotient of products instead of binomials, which soon exceed any number.
        let factors = (0..k).map(|i| {
            let passed = self.passed.saturating_sub(i);
            f64::from(passed) / f64::from(self.runs - i)
        });
        Some(factors.product())
    }

    /// Wilson's 95 % interval of the pass rate (E. B. Wilson, 1927).
    pub(super) fn interval(self) -> (f64, f64) {
        if self.runs == 0 {
            return (0.0, 1.0);
        }
        let (n, rate) = (f64::from(self.runs), self.rate());
        let squared = Z * Z;
        let centre = rate + squared / (2.0 * n);
        let half = Z * (rate * (1.0 - rate) / n + squared / (4.0 * n * n)).sqrt();
        let whole = 1.0 + squared / n;
        let bound = |value: f64| (value / whole).clamp(0.0, 1.0);
        (bound(centre - half), bound(centre + half))
    }

    /// The 95 % interval of pass^k: that of the rate, each bound to the power of `k`, since runs are independent.
    pub(super) fn interval_of_all(self, k: u32) -> (f64, f64) {
        let k = i32::try_from(k).unwrap_or(i32::MAX);
        let (low, high) = self.interval();
        (low.powi(k), high.powi(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(passed: u32, runs: u32) -> Rates {
        Rates { passed, runs }
    }

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 5e-4,
            "{found} and not {expected}"
        );
    }

    #[test]
    fn pass_all_is_the_quotient_of_binomials() {
        near(rates(8, 10).pass_all(1).unwrap(), 0.8);
        // C(8, 3) / C(10, 3) = 56 / 120.
        near(rates(8, 10).pass_all(3).unwrap(), 56.0 / 120.0);
        near(rates(2, 10).pass_all(3).unwrap(), 0.0);
        near(rates(10, 10).pass_all(10).unwrap(), 1.0);
        assert_eq!(rates(3, 3).pass_all(4), None);
        assert_eq!(rates(0, 0).pass_all(1), None);
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Known values: 8 of 10, and 10 of 10.
        let (low, high) = rates(8, 10).interval();
        near(low, 0.4902);
        near(high, 0.9433);
        let (low, high) = rates(10, 10).interval();
        near(low, 0.7225);
        near(high, 1.0);
        let (low, high) = rates(10, 10).interval_of_all(2);
        near(low, 0.7225 * 0.7225);
        near(high, 1.0);
    }
}
